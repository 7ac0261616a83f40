package topology

import (
	"time"

	"weft/ctl"
	"weft/impair"
)

// Test is something to try on a lab that is up; exactly one of the pointers is
// set.
type Test struct {
	Name string    `json:"name,omitempty"`
	Ping *PingTest `json:"ping,omitempty"`
	Exec *ExecTest `json:"exec,omitempty"`
	Link *LinkStep `json:"link,omitempty"`
}

// PingTest sends ICMP echo requests.
type PingTest struct {
	From     string        `json:"from"`
	To       string        `json:"to"` // address, NODE or NODE:INTERFACE
	Count    int           `json:"count"`
	Size     int           `json:"size,omitempty"` // payload in bytes
	Interval time.Duration `json:"interval"`
	Loss     *Span         `json:"loss"`             // share of 1
	RTT      *Span         `json:"rtt,omitempty"`    // median, in seconds: one slow answer is the machine's
	Within   time.Duration `json:"within,omitempty"` // try again for so long
}

// LinkStep changes a link for the tests that follow, as `weft lab link set`
// does.
type LinkStep struct {
	End    End          `json:"end"`
	State  string       `json:"state,omitempty"`  // "" leaves it as it is
	Impair *impair.Spec `json:"impair,omitempty"` // both ways; nil leaves it as it is
}

// ExecTest runs a shell command.
type ExecTest struct {
	Node   string        `json:"node"`
	Run    string        `json:"run"`
	Expect string        `json:"expect"` // ok, fail, /REGEXP/, or what the output must contain
	Within time.Duration `json:"within,omitempty"`
}

const (
	// defaultPings is enough to see whether there is a way at all.
	defaultPings    = 3
	defaultInterval = 100 * time.Millisecond
	maxPings        = 1 << 16 // sequence numbers have 16 bits (RFC 792)
	maxWithin       = time.Hour
)

func (r *reader) test(v value) Test {
	var t Test
	r.fields(v, readers{
		"name": r.setText(&t.Name),
		"ping": func(v value) { t.Ping = r.ping(v) },
		"exec": func(v value) { t.Exec = r.execTest(v) },
		"link": func(v value) { t.Link = r.linkStep(v) },
	})
	kinds := 0
	for _, is := range []bool{t.Ping != nil, t.Exec != nil, t.Link != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		r.fail(v, "a test is one of ping, exec and link")
	}
	return t
}

func (r *reader) linkStep(v value) *LinkStep {
	l := &LinkStep{}
	r.fields(v, readers{
		"end": func(v value) { l.End = r.end(v, new(string), new([]string)) },
		"state": func(v value) {
			if l.State = r.string(v); l.State != ctl.StateUp && l.State != ctl.StateDown {
				r.fail(v, "%q is not a state (want up or down)", l.State)
			}
		},
		"impair": func(v value) {
			s := r.impair(v)
			l.Impair = &s
		},
	})
	r.lines["test "+l.End.String()] = v.line
	return l
}

func (r *reader) ping(v value) *PingTest {
	p := &PingTest{Count: defaultPings, Interval: defaultInterval}
	p.Loss, _ = parseSpan("0%", 1, parseShare)
	r.fields(v, readers{
		"from":     r.setText(&p.From),
		"to":       r.setText(&p.To),
		"count":    setNumber(r, &p.Count, 1, maxPings),
		"size":     setNumber(r, &p.Size, 0, ctl.MaxMTU-28),
		"interval": r.duration(&p.Interval, time.Minute),
		"within":   r.duration(&p.Within, maxWithin),
		"loss":     func(v value) { p.Loss = r.span(v, 1, parseShare) },
		"rtt":      func(v value) { p.RTT = r.span(v, maxWithin.Seconds(), parseSeconds) },
	})
	r.lines["test "+p.From] = v.line
	r.lines["test "+p.To] = v.line
	return p
}

func (r *reader) execTest(v value) *ExecTest {
	e := &ExecTest{Expect: "ok"}
	r.fields(v, readers{
		"node":   r.setText(&e.Node),
		"run":    r.setText(&e.Run),
		"expect": func(v value) { e.Expect = r.expect(v) },
		"within": r.duration(&e.Within, maxWithin),
	})
	if e.Run == "" {
		r.fail(v, "run is missing")
	}
	r.lines["test "+e.Node] = v.line
	return e
}

func (r *reader) span(v value, top float64, unit func(string) (float64, error)) *Span {
	s, err := parseSpan(r.string(v), top, unit)
	if err != nil {
		r.fail(v, "%v", err)
	}
	return s
}

func (r *reader) duration(to *time.Duration, most time.Duration) func(value) {
	return func(v value) {
		d, err := parseDuration(r.string(v))
		switch {
		case err != nil:
			r.fail(v, "%v", err)
		case d <= 0 || d > most:
			r.fail(v, "%v is out of range (want up to %v)", d, most)
		}
		*to = d
	}
}
