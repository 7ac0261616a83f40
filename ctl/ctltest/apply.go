package ctltest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"weft/ctl"
)

// Apply removes what c does not have, replaces what differs, and adds the rest.
func (f *Fake) Apply(_ context.Context, c ctl.Config) ([]ctl.Change, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Name != "" {
		f.name = c.Name
	}
	if c.VTEP != nil {
		f.vtep = *c.VTEP
		f.vtep.Port = cmp.Or(f.vtep.Port, VTEPPort)
	}
	wanted := map[string]bool{}
	peers := slices.Clone(c.Peers)
	for i := range peers {
		peers[i].Address = canonical(peers[i].Address)
		wanted[peers[i].Address] = true
	}
	for _, n := range c.Networks {
		wanted["network "+n.Name] = true
	}
	for _, p := range c.Ports {
		wanted["port "+p.Name] = true
	}
	var changes []ctl.Change
	prune(f.ports, "port", func(name string) bool { return wanted["port "+name] }, &changes)
	prune(f.networks, "network", func(name string) bool { return wanted["network "+name] }, &changes)
	prune(f.peers, "peer", func(name string) bool { return wanted[name] }, &changes)
	for _, n := range c.Networks {
		put(f.networks, "network", n.Name, n, f.addNetwork, &changes)
	}
	for _, p := range c.Ports {
		put(f.ports, "port", p.Name, p, f.addPort, &changes)
	}
	for _, p := range peers {
		put(f.peers, "peer", p.Address, p, f.addPeer, &changes)
	}
	return changes, nil
}

// prune removes what is not wanted.
func prune[T any](have map[string]T, kind string, wanted func(string) bool, changes *[]ctl.Change) {
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if !wanted(name) {
			delete(have, name)
			*changes = append(*changes, ctl.Change{Action: "remove", Kind: kind, Name: name})
		}
	}
}

// put makes have[name] what is wanted.
func put[T any](have map[string]T, kind, name string, want T, add func(T) error, changes *[]ctl.Change) {
	change := ctl.Change{Action: "add", Kind: kind, Name: name}
	if old, ok := have[name]; ok {
		if reflect.DeepEqual(old, want) {
			return
		}
		change.Action, change.Detail = "change", detail(old, want)
		delete(have, name)
	}
	if err := add(want); err != nil {
		change.Error = err.Error()
	}
	*changes = append(*changes, change)
}

// detail names the fields that differ, with both values.
func detail(old, want any) string {
	a, b := reflect.ValueOf(old), reflect.ValueOf(want)
	var parts []string
	for i := range a.NumField() {
		x, y := a.Field(i).Interface(), b.Field(i).Interface()
		if !reflect.DeepEqual(x, y) {
			field, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
			parts = append(parts, fmt.Sprintf("%s %v -> %v", field, x, y))
		}
	}
	return strings.Join(parts, ", ")
}
