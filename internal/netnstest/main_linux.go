package netnstest

import (
	"errors"
	"os"
	"testing"

	"weft/internal/netns"
)

// requireEnv, when not empty, makes a test fail that could not run.
const requireEnv = "WEFT_REQUIRE_NETNS"

// missing says what the machine does not permit, "" when all is well. It is
// written before any test runs.
var missing string

// Main runs the tests of a package inside fresh namespaces and exits. It is
// the whole of a TestMain.
func Main(m *testing.M) {
	code, err := netns.Enter()
	switch {
	case errors.Is(err, netns.ErrInside):
		if err := netns.TUNUsable(); err != nil {
			missing = err.Error()
		}
		os.Exit(m.Run())
	case err != nil:
		missing = err.Error()
		os.Exit(m.Run())
	default:
		os.Exit(code)
	}
}

// require skips the test, or fails it where a skip would go unseen, when the
// machine does not permit what it needs.
func require(t testing.TB) {
	t.Helper()
	switch {
	case !netns.Inside() && missing == "":
		t.Fatal("this package's TestMain does not call netnstest.Main")
	case missing == "":
	case os.Getenv("CI") != "" || os.Getenv(requireEnv) != "":
		t.Fatalf("this test could not run, and must (CI or %s is set): %s", requireEnv, missing)
	default:
		t.Skip("this test could not run: " + missing)
	}
}
