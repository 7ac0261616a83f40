// Package report holds what a comparison measured, and says it: as a table, as
// JSON, as a page. It measures nothing and makes no system call but to write
// files.
//
// Words: a quantity is what is measured ("tcp1"), a sample one value of it, of
// one system in one round. Figures are medians over the rounds. A ratio of two
// systems is the median of the ratios within each round, since the two were
// measured seconds apart then, and a machine that is slower for a minute is so
// for both.
//
// # Concurrency
//
// A Run is for one goroutine.
package report
