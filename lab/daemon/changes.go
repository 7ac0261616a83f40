package daemon

import (
	"slices"

	"weft/ctl"
	"weft/lab/topology"
)

// What apply may do to a thing, in the words of [ctl.Change].
const (
	actAdd    = "add"
	actRemove = "remove"
	actChange = "change"
)

// untold leaves out what comes and goes without an error and is of one of the
// kinds: ports, and the networks of the lab's own switch, are how links and
// switches are made, and are told as such.
func untold(changes []ctl.Change, kinds ...string) []ctl.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c ctl.Change) bool {
		return c.Action != actChange && c.Error == "" && slices.Contains(kinds, c.Kind)
	})
}

// linkChanges lists the links that one topology has and the other has not.
func linkChanges(old, next *topology.Topology) (changes []ctl.Change) {
	add := func(action string, from, to *topology.Topology) {
		for i := range from.Links {
			if l := &from.Links[i]; !hasLink(to, l) {
				changes = append(changes, ctl.Change{Action: action, Kind: "link", Name: nameOf(l)})
			}
		}
	}
	add(actRemove, old, next)
	add(actAdd, next, old)
	return changes
}

// hasLink reports whether t joins the two ends, in whichever order.
func hasLink(t *topology.Topology, l *topology.Link) bool {
	other := t.Link(l.A)
	if other == nil {
		return false
	}
	end, _ := other.Other(l.A)
	return end == l.B
}

func nameOf(l *topology.Link) string { return l.A.String() + " - " + l.B.String() }
