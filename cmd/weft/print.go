package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// printJSON is the output of --json.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// show prints v as JSON or what text makes of it.
func show[T any](a *app, v T, text func(io.Writer, T) error) error {
	if a.json {
		return printJSON(a.out, v)
	}
	return text(a.out, v)
}

// table collects rows and prints them in columns. Columns of numbers stand to
// the right; an empty cell shows as "-".
type table struct {
	head  []string
	rows  [][]string
	right []bool
}

// newTable takes the headings; one that starts with ">" is of a column of numbers.
func newTable(heads ...string) *table {
	t := &table{}
	for _, h := range heads {
		name, right := strings.CutPrefix(h, ">")
		t.head = append(t.head, name)
		t.right = append(t.right, right)
	}
	return t
}

func (t *table) row(cells ...any) {
	row := make([]string, len(t.head))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
		if row[i] == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

func (t *table) print(w io.Writer) error {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, row := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if t.right[i] {
				line.WriteString(pad + c + "  ")
			} else {
				line.WriteString(c + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// details prints pairs of a word and a value under each other.
func details(w io.Writer, pairs ...any) error {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		width = max(width, len(fmt.Sprint(pairs[i])))
	}
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		v := fmt.Sprint(pairs[i+1])
		if v == "" {
			v = "-"
		}
		fmt.Fprintf(&b, "%-*s  %s\n", width, pairs[i], v)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// seconds shows a duration as people say it: 12s, 5m0s, 26h3m0s.
func seconds(n int64) string { return (time.Duration(n) * time.Second).String() }

// dropSum is how many frames were dropped for all reasons together.
func dropSum(drops map[string]uint64) uint64 {
	var n uint64
	for _, c := range drops {
		n += c
	}
	return n
}

// dropList shows reasons and counts in one line.
func dropList(drops map[string]uint64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		parts = append(parts, reason+" "+strconv.FormatUint(drops[reason], 10))
	}
	return strings.Join(parts, ", ")
}
