package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

// idle is how busy, in percent of one processor, a machine may be before the
// figures are said to be the machine's as well.
const idle = 10

func fail(err error) {
	fmt.Fprintln(os.Stderr, "linkbench:", err)
	os.Exit(1)
}

// run measures as the command line says.
func run(daemon func(r *report, weft string) error) {
	only := flag.String("only", "", "measure `memory` or daemon alone")
	asJSON := flag.Bool("json", false, "print the rows as JSON")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: linkbench [--only memory|daemon] [--json] PATH-OF-WEFT")
		flag.PrintDefaults()
	}
	flag.Parse()
	inDaemon := *only != "memory"
	if *only != "" && *only != "memory" && *only != "daemon" || inDaemon && flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	r := &report{out: os.Stdout, progress: io.Discard}
	if *asJSON {
		r.out = nil
	}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		r.progress = os.Stderr
	}
	err := r.quiet()
	if err == nil && *only != "daemon" {
		inMemory(r)
	}
	if err == nil && inDaemon {
		err = daemon(r, flag.Arg(0))
	}
	if err = errors.Join(err, r.end(os.Stdout)); err != nil {
		fail(err)
	}
}

// quiet looks at what the machine does without us.
func (r *report) quiet() error {
	load := observe(0)
	time.Sleep(time.Second)
	b := load.since()
	if b == nil {
		return nil
	}
	warning := ""
	if b.Machine > idle {
		warning = ": what else runs is in the figures"
	}
	_, err := fmt.Fprintf(os.Stderr, "%d processors, %.0f %% of one busy before the start%s\n", runtime.NumCPU(), b.Machine, warning)
	return err
}
