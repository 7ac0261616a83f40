package vswitch

import (
	"runtime"
	"slices"
	"time"

	"weft/frame"
)

// snapshot is the configuration as workers see it. It never changes.
type snapshot struct {
	ports []*attachment // by PortID, nil where there is none
	byVNI map[frame.VNI]*domain
}

// port gives the attachment with the id, nil when there is none.
func (s *snapshot) port(id frame.PortID) *attachment {
	if int(id) >= len(s.ports) {
		return nil
	}
	return s.ports[id]
}

// publish makes a snapshot of the records and gives it to the workers. Callers
// hold mu.
func (s *Switch) publish() {
	snap := &snapshot{
		ports: make([]*attachment, len(s.ports)),
		byVNI: make(map[frame.VNI]*domain, len(s.networks)),
	}
	byName := make(map[string]*domain, len(s.networks))
	for name, rec := range s.networks {
		d := &domain{NetworkConfig: rec.NetworkConfig, fib: rec.fib}
		byName[name], snap.byVNI[d.VNI] = d, d
	}
	for id, rec := range s.ports {
		if rec == nil {
			continue
		}
		a := new(attachment)
		*a = *rec
		snap.ports[id] = a
		if a.remote {
			if a.networks != nil {
				a.member = make(map[frame.VNI]bool, len(a.networks))
			}
			for _, name := range a.networks {
				if d := byName[name]; d != nil {
					a.member[d.VNI] = true
				}
			}
			if !a.down {
				for _, d := range byName {
					if a.reaches(d.VNI) {
						d.flood = append(d.flood, a)
					}
				}
			}
			continue
		}
		a.domain = byName[a.network]
		if !a.ownMTU {
			a.mtu = a.domain.MTU
		}
		if !a.down {
			a.domain.flood = append(a.domain.flood, a)
		}
	}
	s.snap.Store(snap)
}

// synchronize returns when no worker uses a snapshot older than the current
// one. A worker holds one for a batch, some microseconds.
func (s *Switch) synchronize() {
	current := s.snap.Load()
	s.workersMu.Lock()
	workers := slices.Clone(s.workers)
	s.workersMu.Unlock()
	for _, w := range workers {
		for spins := 0; ; spins++ {
			if used := w.inUse.Load(); used == nil || used == current {
				break
			}
			if spins < 100 {
				runtime.Gosched()
			} else {
				time.Sleep(20 * time.Microsecond)
			}
		}
	}
}

func (s *Switch) addWorker(w *worker) {
	s.workersMu.Lock()
	defer s.workersMu.Unlock()
	s.workers = append(s.workers, w)
}

func (s *Switch) removeWorker(w *worker) {
	s.workersMu.Lock()
	defer s.workersMu.Unlock()
	s.workers = slices.DeleteFunc(s.workers, func(o *worker) bool { return o == w })
}
