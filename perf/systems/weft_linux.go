package systems

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"weft/ctl"
)

// Weft is the binary at path, under a name, in a scene. All of its offloads
// are as they come.
func Weft(name, path string, scene Scene) *System {
	return &System{
		Name: name, Title: "weft", Scene: scene, Userspace: true,
		Programs: []string{path}, version: []string{path, "version"},
		up: func(ctx context.Context, p *Picture) error { return weftUp(ctx, path, p) },
	}
}

func weftUp(ctx context.Context, path string, p *Picture) error {
	if p.Scene == OneHost {
		// One daemon has the clients of both sides.
		return startWeft(ctx, path, &p.A, p, append(p.A.Clients, p.B.Clients...))
	}
	for _, s := range p.Sides() {
		if err := startWeft(ctx, path, s, p, s.Clients); err != nil {
			return err
		}
	}
	return nil
}

func startWeft(ctx context.Context, path string, s *Side, p *Picture, clients []Client) error {
	socket := filepath.Join(s.dir, "s")
	args := []string{"run"}
	if p.Counted {
		args = []string{"perf-counted"}
	}
	args = append(args, "--name", s.Name, "--socket", socket, "--log-level", "warn")
	network := ctl.NetworkSpec{Name: "blue", VNI: vni, FDBLimit: p.FDBLimit, PortFDBLimit: p.FDBLimit}
	cfg := ctl.Config{Name: s.Name}
	if p.Scene == TwoHosts {
		cfg.VTEP = &ctl.VTEPSpec{Address: s.Underlay.Addr().String()}
		args = append(args, "--vtep", cfg.VTEP.Address)
	} else {
		network.MTU = p.ClientMTU()
	}
	if err := s.start(path, nil, args...); err != nil {
		return err
	}
	client := ctl.Dial(socket)
	defer client.Close()
	if err := s.await(ctx, "weft answers", func() bool { _, err := client.Status(ctx); return err == nil }); err != nil {
		return err
	}
	cfg.Networks = []ctl.NetworkSpec{network}
	for _, c := range clients {
		cfg.Ports = append(cfg.Ports, ctl.PortSpec{
			Name: fmt.Sprintf("p%d", c.Index), Network: network.Name,
			NetNS: c.Host.Name, As: clientIf, Address: []string{c.Address.String()},
		})
	}
	for _, peer := range s.Peers {
		cfg.Peers = append(cfg.Peers, ctl.PeerSpec{Address: peer.String()})
	}
	_, err := client.Apply(ctx, cfg)
	return err
}

// CanCount says whether the weft at path has the command that counts
// allocations.
func CanCount(ctx context.Context, path string) bool {
	return exec.CommandContext(ctx, path, "perf-counted").Run() == nil
}

// Allocations is how many objects the side's daemons, which are counted wefts,
// have allocated so far.
func (s *Side) Allocations(ctx context.Context) (sum uint64, err error) {
	for _, d := range s.daemons {
		answers := func() []string {
			d.mu.Lock()
			defer d.mu.Unlock()
			return strings.Split(d.log.String(), CountedPrefix)
		}
		before := len(answers())
		if err := d.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			return 0, fmt.Errorf("ask %s: %w", d.name, err)
		}
		var last string
		err := s.await(ctx, "an answer of "+d.name, func() bool {
			all := answers()
			last = all[len(all)-1]
			return len(all) > before && strings.Contains(last, "\n")
		})
		if err != nil {
			return 0, err
		}
		line, _, _ := strings.Cut(last, "\n")
		n, err := strconv.ParseUint(line, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s says %q: %w", d.name, line, err)
		}
		sum += n
	}
	return sum, nil
}
