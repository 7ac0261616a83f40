package systems

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// ovsSchema is where Debian puts it.
const ovsSchema = "/usr/share/openvswitch/vswitch.ovsschema"

// ovsUp runs the userspace datapath ("netdev") on each host, with a TAP for
// each client. Its tunnels leave by a bridge that owns the host's interface and
// address; there is no other way for it to have tunnels in userspace.
func ovsUp(ctx context.Context, p *Picture) error {
	for _, s := range p.Sides() {
		if err := s.startOVS(ctx); err != nil {
			return err
		}
		if err := s.configureOVS(ctx, p.ClientMTU()); err != nil {
			return err
		}
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

func (s *Side) configureOVS(ctx context.Context, mtu int) error {
	args := []string{
		"add-br", "under", "--", "set", "bridge", "under", "datapath_type=netdev",
		"--", "add-port", "under", wire,
		"--", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
	}
	for i, peer := range s.Peers {
		port := fmt.Sprintf("vx%d", i)
		args = append(args, "--", "add-port", "br0", port, "--", "set", "interface", port, "type=vxlan",
			fmt.Sprintf("options:remote_ip=%v", peer), fmt.Sprintf("options:key=%d", vni))
	}
	for _, c := range s.Clients {
		port := fmt.Sprintf("p%d", c.Index)
		args = append(args, "--", "add-port", "br0", port, "--", "set", "interface", port, "type=tap")
	}
	if err := s.ovs(ctx, args...); err != nil {
		return err
	}
	if err := s.moveAddress("under"); err != nil {
		return err
	}
	for _, c := range s.Clients {
		if err := s.adopt(&c, fmt.Sprintf("p%d", c.Index), mtu); err != nil {
			return err
		}
	}
	return nil
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
