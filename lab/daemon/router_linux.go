package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"weft/ctl"
	"weft/lab/space"
)

// router is the weft daemon of a node, a process in its network namespace.
// It is the same `weft run` that anybody starts, so a lab shows what a network
// of weft routers does.
type router struct {
	process *space.Process
	client  *ctl.Client
	vtep    ctl.VTEPSpec
}

// routerTime is how long a router may take to answer.
const routerTime = 10 * time.Second

// applyRouters starts the routers that are new, all at once, and gives each its
// configuration.
func (a *applier) applyRouters(ctx context.Context) {
	if len(a.wires.routers) == 0 {
		return
	}
	a.step("%d routers", len(a.wires.routers))
	var wg sync.WaitGroup
	var mu sync.Mutex // guards changes
	for name, c := range a.wires.routers {
		wg.Go(func() {
			changes, err := a.applyRouter(ctx, name, c)
			mu.Lock()
			defer mu.Unlock()
			a.changes = append(a.changes, untold(changes, "port")...)
			if err != nil {
				a.note(actChange, "router", name, err)
			}
		})
	}
	wg.Wait()
}

func (a *applier) applyRouter(ctx context.Context, name string, c ctl.Config) ([]ctl.Change, error) {
	var vtep ctl.VTEPSpec
	if c.VTEP != nil {
		vtep = *c.VTEP
	}
	a.mu.Lock()
	r := a.routers[name]
	a.mu.Unlock()
	if r != nil && r.vtep != vtep { // a daemon cannot change it
		a.end([]*space.Process{r.process})
		r = nil
	}
	if r == nil {
		var err error
		if r, err = a.startRouter(ctx, name, vtep); err != nil {
			return nil, err
		}
		a.mu.Lock()
		a.routers[name] = r
		a.mu.Unlock()
	}
	return r.client.Apply(ctx, c)
}

func (l *Lab) startRouter(ctx context.Context, name string, vtep ctl.VTEPSpec) (*router, error) {
	args := []string{"weft", "run", "-c", l.dir.RouterFile(name), "--name", name, "--socket", l.dir.RouterSocket(name)}
	if vtep.Address != "" {
		args = append(args, "--vtep", ctl.FormatHostPort(vtep.Address, vtep.Port))
	}
	config, err := json.Marshal(ctl.Config{Offload: &l.current().Offload}) // YAML, too
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(l.dir.RouterFile(name), config, 0o600); err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	log, err := os.OpenFile(l.dir.File(name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p, err := l.processes.Start(space.Command{
		Space: l.spaceOf(name), Args: args, Path: "/proc/self/exe", Env: os.Environ(), Dir: "/", Bare: true,
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
	})
	if err != nil {
		return nil, err
	}
	r := &router{process: p, client: ctl.Dial(l.dir.RouterSocket(name)), vtep: vtep}
	deadline := time.After(routerTime)
	for {
		if _, err := r.client.Status(ctx); err == nil {
			return r, nil
		}
		select {
		case <-p.Done():
			return nil, fmt.Errorf("weft run in %s ended: %s", name, tail(l.dir.File(name+".log")))
		case <-deadline:
			p.Signal(9)
			return nil, fmt.Errorf("weft run in %s does not answer after %v (see %s)", name, routerTime, l.dir.File(name+".log"))
		case <-time.After(5 * time.Millisecond):
		}
	}
}
