package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"

	"weft/ctl"
	"weft/impair"
	"weft/internal/netns"
)

// rig is a daemon and the hosts behind its ports: h0 is 10.77.0.1 and sends,
// hN is 10.77.0.(N+1).
type rig struct {
	client *ctl.Client
	daemon *exec.Cmd
	hosts  []*netns.Host
}

// newRig starts the daemon; the rig is to be closed also after an error.
func newRig(weft string) (*rig, error) {
	dir, err := os.MkdirTemp("/run", "linkbench-") // the process's own /run, which goes with it
	if err != nil {
		return new(rig), err
	}
	socket := filepath.Join(dir, "s")
	r := &rig{client: ctl.Dial(socket)}
	r.daemon = exec.Command(weft, "run", "--socket", socket, "--log-level", "warn")
	r.daemon.Stderr = os.Stderr
	if err := r.daemon.Start(); err != nil {
		return r, fmt.Errorf("start the daemon: %w (make build makes bin/weft)", err)
	}
	ctx := context.Background()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err = r.client.Status(ctx); err == nil {
			return r, r.client.AddNetwork(ctx, ctl.NetworkSpec{Name: "blue", VNI: 42})
		}
		if time.Now().After(deadline) {
			return r, err
		}
	}
}

// close ends the daemon. What it left would go with the process's namespaces.
func (r *rig) close() {
	if r.daemon != nil && r.daemon.Process != nil {
		_ = r.daemon.Process.Signal(os.Interrupt)
		_ = r.daemon.Wait()
	}
	for _, h := range r.hosts {
		_ = h.Close()
	}
}

func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}) }

func socket(i int) netip.AddrPort { return netip.AddrPortFrom(address(i), 9) }

func portName(i int) string { return fmt.Sprintf("h%d", i) }

// hardware is the address of a host's interface.
func hardware(i int) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, byte(i + 1)} }

// addHosts makes hosts until there are n. Nothing but what is measured passes
// their links: they have no IPv6, and know the address of whom they talk to.
func (r *rig) addHosts(n int) error {
	for i := len(r.hosts); i < n; i++ {
		h, err := netns.OpenHost(portName(i))
		if err != nil {
			return err
		}
		r.hosts = append(r.hosts, h)
		err = h.Run(func() error {
			return os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("disable IPv6: %w", err)
		}
		err = r.client.AddPort(context.Background(), ctl.PortSpec{
			Name: portName(i), Network: "blue", NetNS: h.Name, As: "eth0", MAC: hardware(i).String(),
			Address: []string{address(i).String() + "/24"},
		})
		if err == nil && i > 0 {
			err = errors.Join(r.introduce(0, i), r.introduce(i, 0))
		}
		if err == nil && i > 0 {
			err = r.greet(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// introduce has host i know where host k is.
func (r *rig) introduce(i, k int) error {
	nl := r.hosts[i].Netlink()
	link, err := nl.LinkByName("eth0")
	if err != nil {
		return err
	}
	return nl.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: address(k).AsSlice(), HardwareAddr: hardware(k),
	})
}

// greet has the switch learn where host i is.
func (r *rig) greet(i int) error {
	c, err := r.hosts[i].DialUDP(socket(0).String())
	if err != nil {
		return err
	}
	_, err = c.Write([]byte("hello"))
	return errors.Join(err, c.Close())
}

// set changes both ways of host i's link.
func (r *rig) set(i int, both impair.Both) error {
	return r.client.SetLink(context.Background(), portName(i), ctl.LinkSpec{To: &both.To, From: &both.From})
}

// send sends n datagrams of size bytes in turn to the hosts, at a rate over all,
// and waits for them as long as the delay is.
func (r *rig) send(from int, to []int, n, rate, size int, delay time.Duration) (*receiver, error) {
	rx := newReceiver(n)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for _, i := range to {
		c, err := r.hosts[from].DialUDP(socket(i).String())
		if err == nil {
			conns = append(conns, c)
			err = rx.listen(r.hosts[i], socket(i))
		}
		if err != nil {
			rx.close()
			return nil, err
		}
	}
	rx.start()
	b := make([]byte, size)
	pace(n, rate, func(i int) {
		stamp(b, i)
		_, _ = conns[i%len(conns)].Write(b) // what is not sent does not arrive
	})
	time.Sleep(delay + 300*time.Millisecond)
	rx.wait()
	return rx, nil
}

// stream sends TCP from h0 to h1 and gives the payload's rate in bits a second
// after a warm-up.
func (r *rig) stream(warm, measured time.Duration) (float64, error) {
	at := netip.AddrPortFrom(address(1), 5001).String()
	l, err := r.hosts[1].ListenTCP(at)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	c, err := r.hosts[0].DialTCP(at)
	if err != nil {
		return 0, err
	}
	in, err := l.Accept()
	if err != nil {
		return 0, errors.Join(err, c.Close())
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		b := make([]byte, 128<<10)
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	count := func(d time.Duration) (int64, time.Duration) {
		began := time.Now()
		_ = in.SetReadDeadline(began.Add(d))
		n, _ := io.Copy(io.Discard, in)
		return n, time.Since(began)
	}
	count(warm)
	n, took := count(measured)
	err = errors.Join(in.Close(), c.Close())
	<-sent
	return float64(n) * 8 / took.Seconds(), err
}
