package daemon

import (
	"slices"
	"testing"

	"weft/lab/space"
)

func TestWithPath(t *testing.T) {
	for _, c := range []struct{ env, want []string }{
		{nil, []string{"PATH=/lab/bin:" + space.SystemPath}},
		{[]string{"A=b"}, []string{"A=b", "PATH=/lab/bin:" + space.SystemPath}},
		{
			[]string{"PATH=/home/u/bin:/usr/local/bin:/usr/bin:/bin", "A=b"},
			[]string{"PATH=/lab/bin:/home/u/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "A=b"},
		},
		{[]string{"PATH=" + space.SystemPath}, []string{"PATH=/lab/bin:" + space.SystemPath}},
	} {
		before := slices.Clone(c.env)
		if got := withPath(c.env, "/lab/bin"); !slices.Equal(got, c.want) {
			t.Errorf("%q\ngives %q\nwant  %q", c.env, got, c.want)
		}
		if !slices.Equal(c.env, before) {
			t.Errorf("%q has become %q", before, c.env)
		}
	}
}
