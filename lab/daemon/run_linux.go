package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weft/ctl"
	"weft/internal/netns"
	"weft/lab"
	"weft/lab/space"
	"weft/lab/topology"
	"weft/node"
)

// Run is the daemon of the lab in the directory. It expects to be the first
// process in namespaces of its own, as `weft lab up` starts it, and ends when
// it is told to, on SIGTERM, or when the lab cannot be made.
func Run(d lab.Dir, version string) error {
	events := os.NewFile(lab.EventsFD, "events")
	if events == nil {
		return errors.New("this command is what weft lab up starts")
	}
	unix.CloseOnExec(lab.EventsFD)
	unix.CloseOnExec(lab.LockFD)
	tell := func(e lab.Event) { _ = json.NewEncoder(events).Encode(e) }
	err := run(d, version, tell, func() { events.Close() })
	if err != nil {
		tell(lab.Event{Error: strings.ReplaceAll(err.Error(), "\n", "; ")})
	}
	return err
}

func run(d lab.Dir, version string, tell func(lab.Event), ready func()) error {
	log := zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, TimeFormat: time.DateTime, NoColor: true}).With().Timestamp().Logger()
	machine, err := os.Open("/proc") // before another is there
	if err != nil {
		return err
	}
	defer machine.Close()
	if err := settle(log); err != nil {
		return err
	}
	t, err := readTopology(d)
	if err != nil {
		return err
	}
	l, err := newLab(d, t, version, log)
	if err != nil {
		return err
	}
	l.machine = machine
	defer l.close()
	stop, err := l.listen()
	if err != nil {
		return err
	}
	defer stop()
	l.step = func(format string, args ...any) { tell(lab.Event{Step: fmt.Sprintf(format, args...)}) }
	changes, err := l.apply(context.Background(), t)
	if err == nil {
		err = failed(changes)
	}
	if err != nil {
		return err
	}
	l.step = func(string, ...any) {}
	tell(lab.Event{Ready: true})
	ready()
	log.Info().Str("lab", t.Name).Int("nodes", len(t.Nodes)).Int("links", len(t.Links)).Msg("up")

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	select {
	case s := <-signals:
		log.Info().Stringer("signal", s).Msg("stopping")
	case <-l.down:
		log.Info().Msg("down")
	}
	return nil
}

// settle cuts the mounts off from the machine's and shows the lab's own
// processes in /proc.
func settle(log zerolog.Logger) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("namespaces are not permitted here (make mounts private: %w); %s", err, netns.HowToAllow())
	}
	// Where parts of /proc are hidden, as in many containers, this is
	// refused; then ps in a node shows the machine's processes.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		log.Warn().Err(err).Msg("no /proc of the lab's own")
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

func readTopology(d lab.Dir) (*topology.Topology, error) {
	text, err := os.ReadFile(d.File(lab.TopologyFile))
	if err != nil {
		return nil, err
	}
	var t topology.Topology
	return &t, json.Unmarshal(text, &t)
}

// newLab makes an empty lab that is to become t: a switch without ports.
func newLab(d lab.Dir, t *topology.Topology, version string, log zerolog.Logger) (*Lab, error) {
	n, err := node.NewOver(lab.VTEPSockets(t), ctl.Config{Name: t.Name, Offload: &t.Offload}, version, log)
	if err != nil {
		return nil, err
	}
	l := &Lab{
		dir: d, log: log, started: time.Now(), node: n,
		processes: space.NewProcesses(), stopReaping: make(chan struct{}), down: make(chan struct{}),
		step:   func(string, ...any) {},
		spaces: map[string]*space.Space{}, routers: map[string]*router{}, vms: map[string]*space.Process{},
		numbers:  newNumbers(),
		topology: &topology.Topology{Name: t.Name, Offload: t.Offload},
		wiring:   &wiring{},
	}
	go l.processes.Run(l.stopReaping)
	return l, l.mountProgram()
}

// listen serves the lab's sockets until stop.
func (l *Lab) listen() (stop func(), err error) {
	var open []net.Listener
	stop = func() {
		for _, s := range open {
			s.Close()
		}
	}
	sockets := map[string]func(net.Listener){
		lab.ControlName: func(s net.Listener) {
			_ = (&http.Server{Handler: l.api(), ReadHeaderTimeout: 5 * time.Second}).Serve(s)
		},
		lab.SwitchName: func(s net.Listener) { _ = ctl.NewServer(l.node, l.log).Serve(s) },
		lab.ExecName:   l.serveExec,
	}
	for name, serve := range sockets {
		s, err := ctl.Listen(l.dir.File(name))
		if err != nil {
			stop()
			return nil, err
		}
		open = append(open, s)
		go serve(s)
	}
	return stop, nil
}

// endTime is how long processes may take to end when they are told to.
const endTime = time.Second

// close ends the lab. The process ends next, and the kernel does the rest: it
// is faster at removing a hundred interfaces together with their namespaces
// than one by one.
func (l *Lab) close() {
	l.end(l.processes.In(nil))
	l.removeContainers()
	for _, s := range l.spaces {
		s.Close()
	}
}

// end tells processes to end, and makes them.
func (l *Lab) end(list []*space.Process) {
	for _, p := range list {
		p.Signal(unix.SIGTERM)
		p.Signal(unix.SIGCONT)
	}
	deadline := time.NewTimer(endTime)
	defer deadline.Stop()
	for _, p := range list {
		select {
		case <-p.Done():
			continue
		case <-deadline.C:
			deadline.Reset(0)
		}
		p.Signal(unix.SIGKILL)
		<-p.Done()
	}
}

// failed is the first error among changes.
func failed(changes []ctl.Change) error {
	for _, c := range changes {
		if c.Error != "" {
			return fmt.Errorf("%s %s: %s", c.Kind, c.Name, c.Error)
		}
	}
	return nil
}
