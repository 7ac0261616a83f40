//go:build !amd64

package offload

// hasWide: there is no sumWide here.
const hasWide = false

func sumWide([]byte) uint64 { panic("unreachable") }
