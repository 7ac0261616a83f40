package daemon

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"weft/lab"
	"weft/lab/topology"
)

// What a client sends that weft's own would not is refused with a word on what
// is wrong, before anything is changed.
func TestBadRequests(t *testing.T) {
	top, err := topology.Parse("x.yaml", []byte("name: x\ntopology: {nodes: {a: , b: }, links: [{endpoints: [\"a:e\", \"b:e\"]}]}"))
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{dir: lab.Dir("/lab/x"), topology: top, wiring: &wiring{}, log: zerolog.Nop()}
	api := l.api()
	for _, c := range []struct {
		call, body string
		status     int
		want       string
	}{
		{"POST /v1/apply", "", 400, "is empty"},
		{"POST /v1/apply", "null", 400, "not null"},
		{"POST /v1/apply", "{}", 400, "topology: is missing"},
		{"POST /v1/apply", `{"topology": {"name": "x"}} {}`, 400, "behind the JSON object"},
		{"POST /v1/apply", `{"topolgy": {}}`, 400, `unknown field "topolgy"`},
		{"POST /v1/apply", `{"source": "` + strings.Repeat("x", maxBody) + `"}`, 413, "longer than"},
		{"POST /v1/apply", `{"topology": {"name": "y"}}`, 400, `this is lab x, and the topology is of "y"`},
		{"POST /v1/apply", `{"topology": {"name": "x", "nodes": [{"name": "a", "kind": "host"}], "links": [{"a": {"node": "q", "port": "e"}}]}}`, 400, `there is no node "q"`},
		{"POST /v1/links", `{"a": {"node": "a", "port": "e"}, "b": {"node": "b", "port": "f"}}`, 400, "a:e is an end of the link a:e - b:e already"},
		{"POST /v1/links", `{"a": "a:e"}`, 400, "string where an object is wanted"},
		{"PUT /v1/links/a:q", `{"end": {"node": "a", "port": "q"}}`, 404, "no link ends at a:q"},
		{"PUT /v1/links/nonsense", `{}`, 400, "is not a link end"},
		{"DELETE /v1/links/b:q", "", 404, "no link ends at b:q"},
		{"POST /v1/ping", `{"from": "z"}`, 404, `no node "z"`},
		{"GET /v1/nothing", "", 404, ""},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), strings.ReplaceAll(c.want, `"`, `\"`)) {
			t.Errorf("%s %.80s: %d %s; want %d with %s", c.call, c.body, w.Code, w.Body, c.status, c.want)
		}
	}
	if got := l.current(); got != top {
		t.Error("the lab's topology has changed")
	}
}
