package lab

import (
	"time"

	"weft/ctl"
	"weft/impair"
	"weft/lab/topology"
)

// Event is one line of what a daemon that starts tells `up`.
type Event struct {
	Step  string `json:"step,omitempty"`
	Error string `json:"error,omitempty"`
	Ready bool   `json:"ready,omitempty"`
}

// Lab is what `weft lab inspect` shows.
type Lab struct {
	Name      string    `json:"name"`
	PID       int       `json:"pid"`
	Dir       string    `json:"dir"`
	StartedAt time.Time `json:"started_at"`
	Nodes     []Node    `json:"nodes"`
	Links     []Link    `json:"links"`
}

// Node is a node as it runs.
type Node struct {
	Name       string               `json:"name"`
	Kind       topology.Kind        `json:"kind"`
	State      string               `json:"state"` // up, down, waiting
	Reason     string               `json:"reason,omitempty"`
	Interfaces []topology.Interface `json:"interfaces"`
	Processes  int                  `json:"processes"`
	Socket     string               `json:"socket,omitempty"` // of a router's control API
	Start      string               `json:"start,omitempty"`  // of a vm: the command that starts one
	Tunnel     *Tunnel              `json:"tunnel,omitempty"` // of a remote
}

// Tunnel is the way to a remote.
type Tunnel struct {
	VTEP string `json:"vtep"` // this machine's, as the other names it
	Peer string `json:"peer"`
	VNI  uint32 `json:"vni"`
	MTU  int    `json:"mtu"` // largest payload of a frame that passes, in bytes
}

// Link is a link as it runs.
type Link struct {
	topology.Link

	State  string `json:"state"` // up, down
	Reason string `json:"reason,omitempty"`
	Ports  []Port `json:"ports"` // one for each end that is a port of a switch or router
}

// Port is where a link meets a weft daemon.
type Port struct {
	End    topology.End `json:"end"`
	Name   string       `json:"name"`   // of the port
	Socket string       `json:"socket"` // of the daemon's control API
	ctl.Traffic
}

// ApplyRequest is a topology to change a running lab to.
type ApplyRequest struct {
	Topology *topology.Topology `json:"topology"`
	Source   string             `json:"source,omitempty"` // the file's text
}

// LinkChange is what `weft lab link set` changes; nil leaves a thing as it is.
type LinkChange struct {
	End    topology.End `json:"end"`
	Down   *bool        `json:"down,omitempty"`
	Impair *impair.Spec `json:"impair,omitempty"` // from this end on; zero is none
	Both   bool         `json:"both,omitempty"`   // Impair the other way too
}

// To makes the change.
func (c *LinkChange) To(l *topology.Link) {
	if c.Down != nil {
		l.Down = *c.Down
	}
	if c.Impair == nil {
		return
	}
	if c.Both || c.End == l.A {
		l.ImpairAB = *c.Impair
	}
	if c.Both || c.End == l.B {
		l.ImpairBA = *c.Impair
	}
}

// PingRequest asks a daemon for pings.
type PingRequest struct {
	From     string        `json:"from"`
	To       string        `json:"to"` // address
	Count    int           `json:"count"`
	Size     int           `json:"size"`
	Interval time.Duration `json:"interval"`
}

// PingResult is what came of them. Round trips are in seconds.
type PingResult struct {
	Sent     int     `json:"sent"`
	Received int     `json:"received"`
	MinRTT   float64 `json:"min_rtt"`
	Median   float64 `json:"median_rtt"`
	MaxRTT   float64 `json:"max_rtt"`
	Problem  string  `json:"problem,omitempty"` // why nothing could be sent
}

// ExecRequest is the beginning of a connection to the exec socket, as a line of
// JSON. One octet before it carries the descriptors of the process: none with
// TTY, else its standard input, output and error.
type ExecRequest struct {
	Node string   `json:"node"`
	Args []string `json:"args"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
	TTY  bool     `json:"tty,omitempty"`
	// Detach leaves the process to itself once it has started: the result is
	// then that it has.
	Detach bool `json:"detach,omitempty"`
}

// ExecSignal is a line from the client while the process runs.
type ExecSignal struct {
	Signal int `json:"signal"`
}

// ExecResult is the last line to the client. One octet before it, sent when
// the process has started, carries the terminal's descriptor with TTY.
type ExecResult struct {
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error,omitempty"` // it could not be started
}
