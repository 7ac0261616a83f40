package systems

import (
	"context"
	"fmt"
	"path/filepath"
)

// vdeUp is a vde_switch that has the clients' TAPs open itself: one process,
// fewer copies than with a plug for each.
func vdeUp(ctx context.Context, p *Picture) error {
	s := &p.A
	clients := append(s.Clients, p.B.Clients...)
	args := []string{"-s", filepath.Join(s.dir, "vde"), "-M", filepath.Join(s.dir, "mgmt")}
	for _, c := range clients {
		args = append(args, "-t", fmt.Sprintf("p%d", c.Index))
	}
	if err := s.start("vde_switch", nil, args...); err != nil {
		return err
	}
	for _, c := range clients {
		name := fmt.Sprintf("p%d", c.Index)
		if err := s.awaitLink(ctx, name); err != nil {
			return err
		}
		if err := s.adopt(&c, name, p.ClientMTU()); err != nil {
			return err
		}
	}
	return nil
}
