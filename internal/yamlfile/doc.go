// Package yamlfile takes YAML files apart for those who read one by a fixed
// shape: weft.yaml and a lab's topology. It says what is wrong and in which
// line; which file and key that is, and whether to go on, is the reader's to say.
//
// # Concurrency
//
// The functions may be called from any goroutine.
package yamlfile
