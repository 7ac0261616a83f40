package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

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

func throughDaemon(weft string) error {
	if err := netns.TUNUsable(); err != nil {
		return err
	}
	r, err := newRig(weft)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.addHosts(2); err != nil {
		return err
	}
	for _, measure := range []func() error{r.delay, r.loss, r.tcp, r.hundred} {
		if err := measure(); err != nil {
			return err
		}
	}
	return nil
}

func newRig(weft string) (*rig, error) {
	dir, err := os.MkdirTemp("", "linkbench-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	r := &rig{client: ctl.Dial(socket)}
	r.daemon = exec.Command(weft, "run", "--socket", socket, "--log-level", "warn")
	r.daemon.Stderr = os.Stderr
	if err := r.daemon.Start(); err != nil {
		return nil, err
	}
	ctx := context.Background()
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := r.client.Status(ctx)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(err, r.daemon.Process.Kill())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return r, r.client.AddNetwork(ctx, ctl.NetworkSpec{Name: "blue", VNI: 42})
}

func (r *rig) close() {
	_ = r.daemon.Process.Signal(os.Interrupt)
	_ = r.daemon.Wait()
	for _, h := range r.hosts {
		_ = h.Close() // the namespaces go with the process
	}
}

func address(i int) string { return fmt.Sprintf("10.77.0.%d", i+1) }

func portName(i int) string { return fmt.Sprintf("h%d", i) }

// addHosts makes hosts until there are n.
func (r *rig) addHosts(n int) error {
	for i := len(r.hosts); i < n; i++ {
		h, err := netns.OpenHost(portName(i))
		if err != nil {
			return err
		}
		r.hosts = append(r.hosts, h)
		err = r.client.AddPort(context.Background(), ctl.PortSpec{
			Name: portName(i), Network: "blue", NetNS: h.Name, As: "eth0", Address: []string{address(i) + "/24"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// set changes what goes to host i.
func (r *rig) set(i int, to impair.Spec) error {
	return r.client.SetLink(context.Background(), portName(i), ctl.LinkSpec{To: &to})
}

// flood sends n datagrams in turn to the hosts, at a rate over all.
func (r *rig) flood(to []int, n, rate int) (*delays, error) {
	d := new(delays)
	var conns []net.Conn
	for _, i := range to {
		l, err := r.hosts[i].ListenUDP(address(i) + ":9")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_ = l.(*net.UDPConn).SetReadBuffer(8 << 20) // as far as the system lets it
		go func() {
			b := make([]byte, 2048)
			for {
				k, _, err := l.ReadFrom(b)
				if err != nil {
					return
				}
				if k >= 64 {
					d.add(age(b[:k]))
				}
			}
		}()
		c, err := r.hosts[0].DialUDP(address(i) + ":9")
		if err != nil {
			return nil, err
		}
		defer c.Close()
		conns = append(conns, c)
		_, _ = c.Write([]byte("arp"))
	}
	time.Sleep(500 * time.Millisecond) // addresses are resolved
	b := make([]byte, 64)
	pace(n, rate, func(i int) {
		stamp(b)
		_, _ = conns[i%len(conns)].Write(b)
	})
	time.Sleep(500 * time.Millisecond)
	return d, nil
}

func (r *rig) delay() error {
	spec := impair.Spec{Delay: 20 * time.Millisecond}
	for _, s := range []impair.Spec{{}, spec} {
		fmt.Printf("through the daemon, 64 bytes of UDP, delay %v\n", s.Delay)
		if err := r.set(1, s); err != nil {
			return err
		}
		for _, rate := range []int{1000, 10000, 50000} {
			d, err := r.flood([]int{1}, 3*rate, rate)
			if err != nil {
				return err
			}
			d.print(fmt.Sprintf("%d frames/s", rate), 3*rate, s.Delay)
		}
	}
	return nil
}

func (r *rig) loss() error {
	fmt.Println("through the daemon, loss")
	for _, share := range []float64{0.01, 0.1} {
		if err := r.set(1, impair.Spec{Loss: impair.Share(share)}); err != nil {
			return err
		}
		const n = 60_000
		before, err := r.client.Port(context.Background(), portName(1))
		if err != nil {
			return err
		}
		d, err := r.flood([]int{1}, n, 20_000)
		if err != nil {
			return err
		}
		after, err := r.client.Port(context.Background(), portName(1))
		if err != nil {
			return err
		}
		printLoss(fmt.Sprintf("loss %g%%", share*100), n, n-len(d.list), share)
		fmt.Printf("  %-34s %d\n", "counted as link_loss", after.Drops["link_loss"]-before.Drops["link_loss"])
	}
	return r.set(1, impair.Spec{})
}

// tcp runs one stream over a link of 100 Mb/s with 20 ms in both directions.
func (r *rig) tcp() error {
	spec := impair.Spec{Rate: 100_000_000, Delay: 20 * time.Millisecond}
	if err := r.set(1, spec); err != nil {
		return err
	}
	back := impair.Spec{Delay: 20 * time.Millisecond}
	if err := r.client.SetLink(context.Background(), portName(1), ctl.LinkSpec{From: &back}); err != nil {
		return err
	}
	got, err := r.stream(2*time.Second, 8*time.Second)
	if err != nil {
		return err
	}
	// An Ethernet frame of 1514 bytes carries 1448 of TCP with timestamps.
	const share = 1448.0 / 1514
	fmt.Printf("through the daemon, TCP over 100mbit and 20ms each way\n  %-34s %.2f Mb/s of payload, %.1f %% of what frames leave for it\n",
		"one stream, 8 s after 2", got/1e6, got/1e6/share)
	perfect := impair.Spec{}
	return r.client.SetLink(context.Background(), portName(1), ctl.LinkSpec{To: &perfect, From: &perfect})
}

// stream sends from h0 to h1 and gives the payload's rate in bits a second
// after a warm-up.
func (r *rig) stream(warm, measured time.Duration) (float64, error) {
	l, err := r.hosts[1].ListenTCP(address(1) + ":5001")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	c, err := r.hosts[0].DialTCP(address(1) + ":5001")
	if err != nil {
		return 0, err
	}
	in, err := l.Accept()
	if err != nil {
		return 0, err
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

// hundred is a hundred links at once, with 500 frames a second each.
func (r *rig) hundred() error {
	const links = 100
	if err := r.addHosts(links + 1); err != nil {
		return err
	}
	spec := impair.Spec{Delay: 20 * time.Millisecond}
	var to []int
	for i := 1; i <= links; i++ {
		to = append(to, i)
		if err := r.set(i, spec); err != nil {
			return err
		}
	}
	fmt.Println("through the daemon, 100 links with delay 20ms at once")
	for _, each := range []int{100, 250, 500} {
		d, err := r.flood(to, 3*links*each, links*each)
		if err != nil {
			return err
		}
		d.print(fmt.Sprintf("%d frames/s on each", each), 3*links*each, spec.Delay)
	}
	return nil
}
