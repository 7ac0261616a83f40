package lab

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"weft/ctl"
	"weft/lab/topology"
)

// tryAgain is how long to wait before a test with `within` is tried again.
const tryAgain = 200 * time.Millisecond

// Test runs the tests of a lab, one after the other, writes a report in the
// form of TAP (the Test Anything Protocol, version 13), and gives how many
// failed.
func Test(ctx context.Context, c *Client, w io.Writer) (failed int, err error) {
	t, err := c.Topology(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintf(w, "TAP version 13\n1..%d\n", len(t.Tests)); err != nil {
		return 0, err
	}
	for i := range t.Tests {
		test := &t.Tests[i]
		start := time.Now()
		detail, problem, err := try(ctx, c, test)
		if err != nil {
			return failed, err
		}
		word := "ok"
		if problem != "" {
			word = "not ok"
			failed++
		}
		fmt.Fprintf(w, "%s %d - %s # %s\n", word, i+1, titleOf(test), took(start))
		for line := range strings.Lines(strings.TrimSpace(problem)) {
			fmt.Fprintln(w, "#  ", strings.TrimRight(line, "\n"))
		}
		if problem == "" && detail != "" {
			fmt.Fprintln(w, "#  ", detail)
		}
	}
	return failed, nil
}

func took(start time.Time) string { return time.Since(start).Round(time.Millisecond).String() }

func titleOf(t *topology.Test) string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Ping != nil:
		return fmt.Sprintf("ping from %s to %s", t.Ping.From, t.Ping.To)
	case t.Link != nil:
		return fmt.Sprintf("set link %s", t.Link.End)
	default:
		return fmt.Sprintf("exec in %s: %s", t.Exec.Node, strings.Join(strings.Fields(t.Exec.Run), " "))
	}
}

// try runs a test, again and again where it may take its time. detail is what
// was measured, problem why it failed; an error says that it could not be run.
func try(ctx context.Context, c *Client, test *topology.Test) (detail, problem string, err error) {
	var within time.Duration
	var once func() (detail, problem string, err error)
	switch {
	case test.Ping != nil:
		within = test.Ping.Within
		once = func() (string, string, error) { return pingOnce(ctx, c, test.Ping) }
	case test.Exec != nil:
		within = test.Exec.Within
		once = func() (string, string, error) { return execOnce(ctx, c, test.Exec) }
	default:
		return "", "", setLink(ctx, c, test.Link)
	}
	for end := time.Now().Add(within); ; {
		detail, problem, err = once()
		if err != nil || problem == "" || time.Now().After(end) {
			return detail, problem, err
		}
		select {
		case <-ctx.Done():
			return "", "", ctx.Err()
		case <-time.After(tryAgain):
		}
	}
}

func setLink(ctx context.Context, c *Client, s *topology.LinkStep) error {
	change := LinkChange{End: s.End, Impair: s.Impair, Both: true}
	if s.State != "" {
		down := s.State == ctl.StateDown
		change.Down = &down
	}
	return c.SetLink(ctx, change)
}

func pingOnce(ctx context.Context, c *Client, p *topology.PingTest) (detail, problem string, err error) {
	got, err := c.Ping(ctx, PingRequest{From: p.From, To: p.To, Count: p.Count, Size: p.Size, Interval: p.Interval})
	if err != nil {
		return "", "", err
	}
	loss := 1 - float64(got.Received)/float64(max(got.Sent, 1))
	detail = fmt.Sprintf("%d of %d answered (%.2f%% lost)", got.Received, got.Sent, loss*100)
	if got.Received > 0 {
		detail += fmt.Sprintf(", round trip %s (%s to %s)", ms(got.Median), ms(got.MinRTT), ms(got.MaxRTT))
	}
	var problems []string
	if !p.Loss.Contains(loss) {
		problems = append(problems, fmt.Sprintf("loss is %.2f%%, want %s", loss*100, p.Loss.Text))
	}
	if p.RTT != nil && (got.Received == 0 || !p.RTT.Contains(got.Median)) {
		problems = append(problems, fmt.Sprintf("the median round trip is %s, want %s", ms(got.Median), p.RTT.Text))
	}
	if len(problems) == 0 {
		return detail, "", nil
	}
	if got.Problem != "" {
		problems = append(problems, "sending: "+got.Problem)
	}
	return detail, strings.Join(problems, "\n") + "\n" + detail, nil
}

func ms(seconds float64) string { return fmt.Sprintf("%.2f ms", seconds*1000) }

// maxOutput is how much of a command's output is looked at, in bytes.
const maxOutput = 1 << 20

func execOnce(ctx context.Context, c *Client, e *topology.ExecTest) (detail, problem string, err error) {
	code, out, err := output(ctx, c.Dir, e.Node, []string{"/bin/sh", "-c", e.Run})
	if err != nil {
		return "", "", err
	}
	said := strings.TrimSpace(out)
	re, isPattern := topology.Pattern(e.Expect)
	switch {
	case e.Expect == "fail":
		if code == 0 {
			problem = "exit code 0, want another"
		}
	case code != 0:
		problem = fmt.Sprintf("exit code %d, want 0", code)
	case e.Expect == "ok":
	case isPattern:
		compiled, err := regexp.Compile(re)
		if err != nil {
			return "", "", err
		}
		if !compiled.MatchString(out) {
			problem = fmt.Sprintf("the output does not match %s", e.Expect)
		}
	case !strings.Contains(out, e.Expect):
		problem = fmt.Sprintf("the output does not contain %q", e.Expect)
	}
	if problem != "" && said != "" {
		problem += "\n" + said
	}
	return "", problem, nil
}
