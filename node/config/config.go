// Package config reads weft.yaml, the description of a whole daemon, into a
// [ctl.Config]. What is wrong is reported with file, line and key, and nothing
// is half read. What a value must be is ctl's to say: this package knows the
// shape of the file only.
//
// # Concurrency
//
// The functions may be called from any goroutine.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"weft/ctl"
	"weft/internal/yamlfile"
)

// maxDepth bounds how deep brackets, and dashes on one line, may nest. The
// deepest key of a weft.yaml is at 6.
const maxDepth = 16

// Load reads the file.
func Load(path string) (ctl.Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return ctl.Config{}, unreadable(path, err)
	}
	defer func() { _ = f.Close() }()
	// A little more than is allowed, for Parse to refuse.
	data, err := io.ReadAll(io.LimitReader(f, yamlfile.MaxBytes+1))
	if err != nil {
		return ctl.Config{}, unreadable(path, err)
	}
	return Parse(path, data)
}

// unreadable leaves out which system call it was.
func unreadable(path string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return fmt.Errorf("read configuration %s: %w", path, err)
}

// Parse reads a file's content. name is the file's, for messages.
func Parse(name string, data []byte) (ctl.Config, error) {
	docs, problem := yamlfile.Documents(data, maxDepth, "write the value out")
	switch {
	case problem == nil:
	case problem.Line == 0:
		return ctl.Config{}, ctl.Invalid("%s: %s", name, problem.Text)
	default:
		return ctl.Config{}, ctl.Invalid("%s:%d: %s", name, problem.Line, problem.Text)
	}
	r := &reader{file: name, places: map[string]place{}}
	for i, doc := range docs {
		switch at := (place{line: yamlfile.LineOf(doc)}); {
		case doc == nil:
		case i > 0:
			r.fail(at, "a second document begins here (one file describes one daemon)")
		default:
			r.document(value{node: doc, place: at})
		}
	}
	if r.err != nil {
		return ctl.Config{}, r.err
	}
	if err := r.config.Validate(); err != nil {
		return ctl.Config{}, r.located(err)
	}
	return r.config, nil
}

// located puts file, line and key in front of what Validate found.
func (r *reader) located(err error) error {
	var e *ctl.Error
	if !errors.As(err, &e) || e.Field == "" {
		return err
	}
	// A field that the file does not have is reported where its parent is.
	for field := e.Field; ; {
		if p, ok := r.places[field]; ok {
			return ctl.Invalid("%s:%d: %s: %s", r.file, p.line, p.key+strings.TrimPrefix(e.Field, field), e.Problem)
		}
		i := strings.LastIndexAny(field, ".[")
		if i < 0 {
			return ctl.Invalid("%s: %s: %s", r.file, e.Field, e.Problem)
		}
		field = field[:i]
	}
}
