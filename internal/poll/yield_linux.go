package poll

import _ "unsafe" // for go:linkname

// yield lets the goroutines that wait for this processor run first.
// runtime.Gosched queues its caller for all processors and wakes another thread
// to look there, in vain: two calls of futex(2), a change of threads and, on a
// virtual machine, an interrupt between processors. The runtime keeps this name
// for programs that link to it (go.dev/issue/67401).
//
//go:linkname yield runtime.goyield
func yield()
