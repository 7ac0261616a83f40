package topology

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// binds reads a container's HOST:CONTAINER[:OPTIONS], one or several.
func (r *reader) binds(v value, n *Node) {
	var list []string
	r.addText(&list)(v)
	for _, b := range list {
		if host, inside, _ := strings.Cut(b, ":"); host == "" || !strings.HasPrefix(inside, "/") {
			r.fail(v, "%q is not a mount (want HOST:CONTAINER or HOST:CONTAINER:ro, such as conf:/etc/frr)", b)
		}
	}
	n.Binds = append(n.Binds, list...)
}

// locateBinds makes the paths outside of the container absolute. The engine
// would make a directory of one that is not there.
func (n *Node) locateBinds(dir string) error {
	for i, b := range n.Binds {
		host, inside, _ := strings.Cut(b, ":")
		if !filepath.IsAbs(host) {
			host = filepath.Join(dir, host)
		}
		if _, err := os.Stat(host); err != nil {
			return fmt.Errorf("node %s: binds: %w", n.Name, err)
		}
		n.Binds[i] = host + ":" + inside
	}
	return nil
}

var errQuote = errors.New("a quotation mark has no partner")

// Args are the words of the node's cmd, as a shell would take them apart: by
// white space, but for what is quoted or follows a backslash.
func (n *Node) Args() (words []string, err error) {
	var word strings.Builder
	open, begun, escaped := rune(0), false, false
	for _, c := range n.Command {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && open != '\'':
			escaped, begun = true, true
		case c == open:
			open = 0
		case open != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			open, begun = c, true
		case strings.ContainsRune(" \t\n", c):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if open != 0 || escaped {
		return nil, errQuote
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
