// Package arch holds who may import whom in weft, as a test.
//
// # Concurrency
//
// There is nothing to call.
package arch
