package netnstest

import "os"

// plainEnv, when not empty, has the daemons that tests start do without every
// acceleration: `make plain`.
const plainEnv = "WEFT_TEST_PLAIN"

// Plain reports whether the daemons of this run are to do without every
// acceleration that the configuration can turn off.
func Plain() bool { return os.Getenv(plainEnv) != "" }
