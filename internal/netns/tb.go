package netns

// TB is what the methods for tests need of testing.TB. Package testing itself
// is not imported: it would come along, with its flags, into every program
// that only wants namespaces.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
