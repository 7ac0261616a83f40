package systems

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/vishvananda/netlink"

	"weft/internal/ethtool"
)

// ovsSchema is where Debian puts it.
const ovsSchema = "/usr/share/openvswitch/vswitch.ovsschema"

// ovsUp runs the userspace datapath ("netdev") on each host, with a TAP or one
// end of a veth for each client. Its tunnels leave by a bridge that owns the
// host's interface and address; there is no other way for it to have tunnels in
// userspace.
func ovsUp(veth bool) func(context.Context, *Picture) error {
	return func(ctx context.Context, p *Picture) error {
		if p.Scene == OneHost {
			return p.A.ovsSwitch(ctx, append(p.A.Clients, p.B.Clients...), p.ClientMTU(), veth)
		}
		for _, s := range p.Sides() {
			if err := s.ovsSwitch(ctx, s.Clients, p.ClientMTU(), veth); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *Side) ovsSwitch(ctx context.Context, clients []Client, mtu int, veth bool) error {
	if err := s.startOVS(ctx); err != nil {
		return err
	}
	if veth {
		for _, c := range clients {
			if err := s.cableTo(c, mtu); err != nil {
				return err
			}
			if err := withoutChecksums(c); err != nil {
				return err
			}
		}
	}
	if err := s.configureOVS(ctx, clients, veth); err != nil || veth {
		return err
	}
	for _, c := range clients {
		if err := s.adopt(&c, portOf(c), mtu); err != nil {
			return err
		}
	}
	return nil
}

// withoutChecksums has the client's kernel compute them: the datapath takes
// frames from a veth as they are and would pass unfinished ones on.
func withoutChecksums(c Client) error {
	err := c.Host.Run(func() error {
		e, err := ethtool.Open(clientIf)
		if err != nil {
			return err
		}
		defer e.Close()
		return e.SetFeature("tx-checksum-ip-generic", false)
	})
	if err != nil {
		return fmt.Errorf("switch checksum offload of %s off: %w", c.Host.Name, err)
	}
	return nil
}

func (s *Side) ovsEnv() []string {
	return []string{"OVS_RUNDIR=" + s.dir, "OVS_LOGDIR=" + s.dir, "OVS_DBDIR=" + s.dir}
}

func (s *Side) ovsSocket() string { return filepath.Join(s.dir, "db.sock") }

func (s *Side) startOVS(ctx context.Context) error {
	db := filepath.Join(s.dir, "conf.db")
	if err := s.run(ctx, s.ovsEnv(), "ovsdb-tool", "create", db, ovsSchema); err != nil {
		return err
	}
	err := s.start("ovsdb-server", s.ovsEnv(), db, "--remote=punix:"+s.ovsSocket(), "--no-chdir",
		"--unixctl="+filepath.Join(s.dir, "db.ctl"), "-vconsole:warn")
	if err != nil {
		return err
	}
	if err := s.awaitFile(ctx, s.ovsSocket()); err != nil {
		return err
	}
	if err := s.ovs(ctx, "--no-wait", "init"); err != nil {
		return err
	}
	return s.start("ovs-vswitchd", s.ovsEnv(), "unix:"+s.ovsSocket(), "--no-chdir", "--disable-system",
		"--unixctl="+filepath.Join(s.dir, "ctl"), "-vconsole:warn")
}

func (s *Side) configureOVS(ctx context.Context, clients []Client, veth bool) error {
	args := []string{"add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"}
	if len(s.Peers) > 0 {
		args = append(args, "--", "add-br", "under", "--", "set", "bridge", "under", "datapath_type=netdev", "--", "add-port", "under", wire)
	}
	for i, peer := range s.Peers {
		port := fmt.Sprintf("vx%d", i)
		args = append(args, "--", "add-port", "br0", port, "--", "set", "interface", port, "type=vxlan",
			fmt.Sprintf("options:remote_ip=%v", peer), fmt.Sprintf("options:key=%d", vni))
	}
	for _, c := range clients {
		args = append(args, "--", "add-port", "br0", portOf(c))
		if !veth {
			args = append(args, "--", "set", "interface", portOf(c), "type=tap")
		}
	}
	if err := s.ovs(ctx, args...); err != nil || len(s.Peers) == 0 {
		return err
	}
	return s.moveAddress("under")
}

func (s *Side) ovs(ctx context.Context, args ...string) error {
	head := []string{"--db=unix:" + s.ovsSocket(), fmt.Sprintf("--timeout=%d", int(comeUp.Seconds()))}
	return s.run(ctx, s.ovsEnv(), "ovs-vsctl", append(head, args...)...)
}

// moveAddress gives the host's address to the bridge.
func (s *Side) moveAddress(bridge string) error {
	nl := s.Host.Netlink()
	old, err := nl.LinkByName(wire)
	if err != nil {
		return err
	}
	addrs, err := nl.AddrList(old, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if err := nl.AddrDel(old, &a); err != nil {
			return fmt.Errorf("take the address of %s: %w", wire, err)
		}
	}
	link, err := nl.LinkByName(bridge)
	if err != nil {
		return err
	}
	if err := nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", bridge, err)
	}
	return s.Host.AddAddress(bridge, s.Underlay.String())
}
