package topology

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"weft/ctl"
	"weft/impair"
)

// link reads {endpoints: [A, B]}, and containerlab's longer form of it.
func (r *reader) link(v value, t *Topology) Link {
	var l Link
	ends := 0
	macs := map[End]string{}
	addresses := map[End][]string{}
	r.fields(v, readers{
		"endpoints": func(v value) {
			r.items(v, func(v value) {
				var mac string
				var cidr []string
				e := r.end(v, &mac, &cidr)
				switch ends {
				case 0:
					l.A = e
				case 1:
					l.B = e
				}
				ends++
				macs[e], addresses[e] = mac, cidr
			})
		},
		"type": func(v value) {
			if s := r.string(v); s != "veth" && s != "" {
				r.fail(v, "links of type %q are not supported (want veth; to another machine goes a node of kind remote)", s)
			}
		},
		"mtu": setNumber(r, &l.MTU, ctl.MinMTU, ctl.MaxMTU),
		"state": func(v value) {
			switch s := r.string(v); s {
			case "up":
			case "down":
				l.Down = true
			default:
				r.fail(v, "%q is not a state (want up or down)", s)
			}
		},
		"impair": func(v value) { l.ImpairAB, l.ImpairBA = r.impairs(v) },
		"labels": nil, "vars": nil,
	})
	if ends != 2 {
		r.fail(v, "a link has two endpoints, this one has %d", ends)
		return l
	}
	r.lines[fmt.Sprintf("link %d", len(t.Links))] = v.line
	for e := range macs {
		n := t.Node(e.Node)
		if n == nil {
			continue // check says so
		}
		if macs[e] != "" || len(addresses[e]) > 0 {
			n.setInterface(e.Port, func(i *Interface) {
				i.MAC = macs[e]
				i.Address = append(i.Address, addresses[e]...)
			})
		}
	}
	return l
}

// end reads "NODE:PORT" or {node, interface, mac, ipv4, ipv6}.
func (r *reader) end(v value, mac *string, cidr *[]string) End {
	if s, ok := text(v.node); ok {
		e, ok := ParseEnd(s)
		if !ok {
			r.fail(v, "%q is not a link end (want NODE:INTERFACE, such as h1:eth1)", s)
		}
		return e
	}
	var e End
	address := func(v value) {
		s := r.string(v)
		if problem := prefixProblem(s); problem != "" {
			r.fail(v, "%s", problem)
		}
		*cidr = append(*cidr, s)
	}
	r.fields(v, readers{
		"node":      r.setText(&e.Node),
		"interface": r.setText(&e.Port),
		"mac":       func(v value) { *mac = r.mac(v) },
		"ipv4":      address,
		"ipv6":      address,
		"vars":      nil,
	})
	return e
}

// impairs reads one setting for both ways, or {a-to-b: ..., b-to-a: ...}.
func (r *reader) impairs(v value) (ab, ba impair.Spec) {
	byWay := slices.ContainsFunc(r.scalarPairs(v), func(p pair) bool { return p.name == "a-to-b" || p.name == "b-to-a" })
	if !byWay {
		i := r.impair(v)
		return i, i
	}
	r.fields(v, readers{
		"a-to-b": func(v value) { ab = r.impair(v) },
		"b-to-a": func(v value) { ba = r.impair(v) },
	})
	return ab, ba
}

// impair reads the conditions of one way, in impair's words.
func (r *reader) impair(v value) (s impair.Spec) {
	known := readers{}
	names, _ := impair.Keys()
	for _, name := range names {
		known[name] = func(v value) { r.impairProblem(v, s.Set(name, r.string(v))) }
	}
	r.fields(v, known)
	if len(r.problems) == 0 {
		r.impairProblem(v, s.Validate())
	}
	return s
}

func (r *reader) impairProblem(v value, err error) {
	if e, ok := errors.AsType[*impair.KeyError](err); ok {
		r.fail(v, "%s", e.Problem)
	} else if err != nil {
		r.fail(v, "%v", err)
	}
}

// Test is something to try on a lab that is up; exactly one of the pointers is
// set.
type Test struct {
	Name string    `json:"name,omitempty"`
	Ping *PingTest `json:"ping,omitempty"`
	Exec *ExecTest `json:"exec,omitempty"`
}

// PingTest sends ICMP echo requests.
type PingTest struct {
	From     string        `json:"from"`
	To       string        `json:"to"` // address, NODE or NODE:INTERFACE
	Count    int           `json:"count"`
	Size     int           `json:"size,omitempty"` // payload in bytes
	Interval time.Duration `json:"interval"`
	Loss     *Span         `json:"loss"`             // share of 1
	RTT      *Span         `json:"rtt,omitempty"`    // mean, in seconds
	Within   time.Duration `json:"within,omitempty"` // try again for so long
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
	})
	if (t.Ping == nil) == (t.Exec == nil) {
		r.fail(v, "a test is either ping or exec")
	}
	return t
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
