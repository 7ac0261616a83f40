// Command page draws the results of a comparison: plots as SVG, and a page
// that has them, the tables and the machine. It is a program of its own so
// that weft does not carry the fonts of the plotting library.
//
//	page DIRECTORY     reads latest.json there, writes README.md and *.svg
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"weft/perf"
	"weft/perf/report"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: page DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	run, err := report.Load(filepath.Join(dir, perf.ResultsFile))
	if err != nil {
		return err
	}
	// Plots of quantities that are no longer measured would be of another run.
	stale, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil {
		return err
	}
	for _, path := range stale {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	var images []report.Image
	for _, c := range charts(run) {
		svg, err := c.draw(run)
		if err != nil {
			return fmt.Errorf("plot %s: %w", c.file, err)
		}
		if err := os.WriteFile(filepath.Join(dir, c.file), svg, 0o644); err != nil {
			return err
		}
		images = append(images, report.Image{Title: c.title, File: c.file})
	}
	f, err := os.Create(filepath.Join(dir, "README.md"))
	if err != nil {
		return err
	}
	err = run.Markdown(f, images)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
