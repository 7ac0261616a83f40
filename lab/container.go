package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"weft/lab/engine"
	"weft/lab/topology"
)

// Labels of a lab's containers. Those of a lab that was killed are found by
// them.
const (
	LabelLab  = "weft.lab" // the lab's directory
	LabelNode = "weft.node"
)

// engineTime is how long an engine may take to remove a lab's containers.
const engineTime = 30 * time.Second

// ContainerName is what the engine calls a node.
func (d Dir) ContainerName(node string) string { return "weft-" + d.Name() + "-" + node }

// engine gives a client of the engine that has containers of the lab, nil when
// none has.
func (d Dir) engine() (*engine.Client, error) {
	socket, err := os.ReadFile(d.File(EngineFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return engine.Dial(strings.TrimSpace(string(socket))), nil
}

// removeContainers removes the containers of a lab, which the kernel does not
// end with its daemon as it does all else.
func (d Dir) removeContainers() error {
	c, err := d.engine()
	if c == nil || err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), engineTime)
	defer cancel()
	if err := c.RemoveLabelled(ctx, LabelLab, string(d)); err != nil {
		return fmt.Errorf("containers of lab %s are left, with the label %s=%s: %w", d.Name(), LabelLab, d, err)
	}
	return os.Remove(d.File(EngineFile))
}

// IsContainer reports whether a node of a running lab is a container.
func (d Dir) IsContainer(node string) bool {
	if _, err := os.Stat(d.File(EngineFile)); err != nil {
		return false
	}
	text, err := os.ReadFile(d.File(TopologyFile))
	if err != nil {
		return false
	}
	var t topology.Topology
	if err := json.Unmarshal(text, &t); err != nil {
		return false
	}
	n := t.Node(node)
	return n != nil && n.Kind == topology.Container
}
