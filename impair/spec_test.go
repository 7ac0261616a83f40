package impair

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSpecText(t *testing.T) {
	const in = `{"delay":"20ms","jitter":"2ms","distribution":"normal","loss":"1%","burst":4.5,"rate":"10mbit",` +
		`"limit":500,"duplicate":"0.1%","reorder":"1%","corrupt":"0.01%","seed":7}`
	var s Spec
	if err := json.Unmarshal([]byte(in), &s); err != nil {
		t.Fatal(err)
	}
	want := Spec{
		Delay: 20 * time.Millisecond, Jitter: 2 * time.Millisecond, Distribution: Normal, Loss: 0.01, Burst: 4.5,
		Rate: 10_000_000, Limit: 500, Duplicate: 0.001, Reorder: 0.01, Corrupt: 0.0001, Seed: 7,
	}
	if s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if out, err := json.Marshal(s); err != nil || string(out) != in {
		t.Errorf("%s, %v", out, err)
	}
	const text = "delay 20ms, jitter 2ms, distribution normal, loss 1%, burst 4.5, rate 10mbit, limit 500, " +
		"duplicate 0.1%, reorder 1%, corrupt 0.01%, seed 7"
	if s.String() != text {
		t.Errorf("%q", s)
	}
	if out, err := json.Marshal(Spec{}); err != nil || string(out) != "{}" {
		t.Errorf("%s, %v", out, err)
	}
}

func TestSpecRates(t *testing.T) {
	for in, want := range map[string]struct {
		rate Rate
		text string
	}{
		"10mbit": {10_000_000, "10mbit"}, "2.5Gbit": {2_500_000_000, "2.5gbit"}, "1mbps": {8_000_000, "8mbit"},
		"64kbit": {64_000, "64kbit"}, "1500bit": {1500, "1.5kbit"}, "125 bps": {1000, "1kbit"}, "1000001bit": {1000001, "1000.001kbit"},
		"0.1kbps": {0, ""}, "0mbit": {0, ""}, "2000tbit": {0, ""}, "10": {0, ""}, "10mb": {0, ""}, "nanmbit": {0, ""}, "-1mbit": {0, ""},
	} {
		var s Spec
		err := s.Set("rate", in)
		if s.Rate != want.rate || (err == nil) != (want.rate != 0) {
			t.Errorf("%q: %d, %v", in, s.Rate, err)
		} else if err == nil && s.Rate.String() != want.text {
			t.Errorf("%q: %q, want %q", in, s.Rate, want.text)
		}
	}
}

// Every error is one line that begins with the key at fault.
func TestSpecErrors(t *testing.T) {
	for in, words := range map[string]string{
		`{"loss": "0.5"}`:                              "loss: ", // half of them, or one in two hundred?
		`{"loss": 1}`:                                  "loss: ",
		`{"loss": "101%"}`:                             "loss: ",
		`{"loss": "nan%"}`:                             "loss: ",
		`{"delay": "20"}`:                              "delay: ",
		`{"delay": "-1ms"}`:                            "delay: ",
		`{"delay": "2h"}`:                              "delay: ",
		`{"delay": null}`:                              "delay: ",
		`{"delay": ["1ms"]}`:                           "delay: ",
		`{"jitter": "1ms"}`:                            "jitter: ",
		`{"delay": "1ms", "jitter": "2ms"}`:            "jitter: ",
		`{"distribution": "normal"}`:                   "distribution: ",
		`{"distribution": "gauss"}`:                    "distribution: ",
		`{"burst": 3}`:                                 "burst: ",
		`{"loss": "80%", "burst": 2}`:                  "burst: ",
		`{"loss": "1%", "burst": 0.5}`:                 "burst: ",
		`{"reorder": "1%"}`:                            "reorder: ",
		`{"limit": 10}`:                                "limit: ",
		`{"rate": "1mbit", "limit": 0}`:                "limit: ",
		`{"rate": "1mbit", "limit": 10000000}`:         "limit: ",
		`{"rate": "fast"}`:                             "rate: ",
		`{"seed": -1}`:                                 "seed: ",
		`{"lose": "1%"}`:                               `unknown key "lose" (want one of delay, `,
		`{"loss": "1%", "loss": "2%"}`:                 "loss: is there twice",
		`"1%"`:                                         "want an object",
		`{"loss": "` + strings.Repeat("9", 100) + `"}`: "loss: ",
	} {
		var s Spec
		err := json.Unmarshal([]byte(in), &s)
		if err == nil {
			err = s.Validate()
		}
		if err == nil || !strings.HasPrefix(err.Error(), words) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 160 {
			t.Errorf("%s: %v, want %q...", in, err, words)
		}
		// One that is not made by JSON is refused alike.
		var e *KeyError
		if strings.HasSuffix(words, ": ") && !errors.As(err, &e) {
			t.Errorf("%s: %T has no key", in, err)
		}
	}
	for _, s := range []Spec{{Loss: 2}, {Delay: -1}, {Rate: 1}, {Distribution: "x"}, {Burst: -1, Loss: 0.1}, {Limit: -1, Rate: 1e6}} {
		if s.Validate() == nil {
			t.Errorf("%+v is valid", s)
		}
	}
}

func TestBoth(t *testing.T) {
	loss, delay := Spec{Loss: 0.01}, Spec{Delay: time.Second}
	for in, want := range map[string]Both{
		`{"loss":"1%"}`:                              {loss, loss},
		`{"to":{"loss":"1%"}}`:                       {To: loss},
		`{"from":{"delay":"1s"}}`:                    {From: delay},
		`{"from":{"delay":"1s"},"to":{"loss":"1%"}}`: {loss, delay},
		`{}`: {},
	} {
		var b Both
		if err := json.Unmarshal([]byte(in), &b); err != nil || b != want {
			t.Errorf("%s: %+v, %v", in, b, err)
			continue
		}
		var again Both
		out, err := json.Marshal(b)
		if err == nil {
			err = json.Unmarshal(out, &again)
		}
		if err != nil || again != b {
			t.Errorf("%s reads as %s, and that as %+v, %v", in, out, again, err)
		}
	}
	for in, words := range map[string]string{
		`{"to":{"loss":"1"}}`:                 "to.loss: ",
		`{"to":{},"loss":"1%"}`:               "conditions beside",
		`{"from":{"jitter":"1s"}}`:            "from.jitter: ",
		`{"form":{}}`:                         "form: ",
		`{"to":{"loss":"1%"},"from":"clean"}`: "from: want an object",
	} {
		var b Both
		err := json.Unmarshal([]byte(in), &b)
		if err == nil {
			err = b.Validate()
		}
		if err == nil || !strings.HasPrefix(err.Error(), words) {
			t.Errorf("%s: %v, want %q...", in, err, words)
		}
	}
}

// What is read is written so that it is read as the same.
func FuzzSpec(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"delay":"20ms","jitter":"2ms","distribution":"pareto","loss":"1%","burst":5,"rate":"10mbit","limit":9}`,
		`{"to":{"loss":"0.1%"},"from":{"rate":"1.5mbps"}}`, `{"delay":"1us","reorder":"3%","duplicate":"2%","corrupt":"1e-3%","seed":18446744073709551615}`,
		`{"rate":"999999999999bit"}`, `[]`, `{"loss":{}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Both
		if json.Unmarshal(data, &b) != nil || b.Validate() != nil {
			return
		}
		out, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var again Both
		if err := json.Unmarshal(out, &again); err != nil || again.Validate() != nil || again.String() != b.String() {
			t.Fatalf("%s is written as %s: %v", data, out, err)
		}
	})
}
