package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"weft/ctl"
	"weft/internal/netnstest"
)

// vni is that of the network blue, which all sites are in.
const vni = 42

// Words of this file: a site is a host on the underlay, with a VTEP of weft's
// or of the kernel's, and a client, a namespace behind it on the overlay. Site
// i has the underlay addresses 10.99.0.i and fd99::i, its client 10.77.0.i and
// fd77::i. Links are called u0 on the underlay and eth0 in the client.

type site struct {
	host, client *netnstest.Host
	weft         *daemon // nil where the kernel is the VTEP
}

// plan says how sites are to be.
type plan struct {
	v6          bool   // the underlay's addresses
	underlayMTU int    // 1500 when 0
	port        uint16 // 4789 when 0
	mtu         int    // of weft's network; 0 is what the underlay leaves
	strict      bool
	offload     *ctl.OffloadSpec // of weft
	noChecksum  bool             // of the kernel's VTEP
	kernel      []int            // the sites whose VTEP is the kernel's
	badWire     bool             // between two sites

	middle *daemon // of the bad wire, once it is there
}

func (p *plan) isKernel(i int) bool { return slices.Contains(p.kernel, i) }

// underlay is the address of site i on the wire.
func (p *plan) underlay(i int) netip.Prefix {
	if p.v6 {
		return netip.MustParsePrefix(fmt.Sprintf("fd99::%d/64", i))
	}
	return netip.MustParsePrefix(fmt.Sprintf("10.99.0.%d/24", i))
}

// overlay4 and overlay6 are the addresses of site i's client.
func overlay4(i int) string { return fmt.Sprintf("10.77.0.%d", i) }
func overlay6(i int) string { return fmt.Sprintf("fd77::%d", i) }

// build makes n sites, numbered from 1 in the result; index 0 is empty.
func (p *plan) build(t testing.TB, n int) []site {
	t.Helper()
	sites := p.hosts(t, n)
	for i := 1; i <= n; i++ {
		p.populate(t, sites, i)
	}
	return sites
}

// hosts makes hosts and clients of n sites and the wire, and no VTEPs.
func (p *plan) hosts(t testing.TB, n int) []site {
	t.Helper()
	sites := make([]site, n+1)
	for i := 1; i <= n; i++ {
		sites[i].host = netnstest.NewHost(t, fmt.Sprintf("h%d", i))
		sites[i].client = netnstest.NewHost(t, fmt.Sprintf("c%d", i))
	}
	p.wire(t, sites)
	return sites
}

// wire joins the hosts: two by a cable, more by a bridge between them.
func (p *plan) wire(t testing.TB, sites []site) {
	t.Helper()
	end := func(i int) netnstest.End {
		return netnstest.End{Host: sites[i].host, IfName: "u0", Addresses: []string{p.underlay(i).String()}}
	}
	if p.badWire {
		p.middle = badWire(t, [2]netnstest.End{end(1), end(2)})
		return
	}
	if len(sites) == 3 {
		netnstest.Connect(t, end(1), end(2), p.underlayMTU)
		return
	}
	lan := netnstest.NewHost(t, "lan")
	ports := make([]string, len(sites)-1)
	for i := range ports {
		ports[i] = fmt.Sprintf("p%d", i+1)
		netnstest.Connect(t, netnstest.End{Host: lan, IfName: ports[i]}, end(i+1), p.underlayMTU)
	}
	join(t, lan, "br0", ports...)
}

// populate gives site i its VTEP and puts its client behind it.
func (p *plan) populate(t testing.TB, sites []site, i int) {
	t.Helper()
	s := &sites[i]
	addresses := []string{overlay4(i) + "/24", overlay6(i) + "/64"}
	if p.isKernel(i) {
		k := netnstest.KernelVTEP{
			VNI: vni, Local: p.underlay(i).Addr(), Port: p.port, NoChecksum: p.noChecksum,
			Client: netnstest.End{Host: s.client, IfName: "eth0", Addresses: addresses},
		}
		for j := 1; j < len(sites); j++ {
			if j != i {
				k.Remotes = append(k.Remotes, p.underlay(j).Addr())
			}
		}
		s.host.AddKernelVTEP(t, k)
		return
	}
	c := ctl.Config{
		Name:     s.host.Name,
		VTEP:     &ctl.VTEPSpec{Address: p.underlay(i).Addr().String(), Port: p.port, Strict: p.strict},
		Networks: []ctl.NetworkSpec{{Name: "blue", VNI: vni, MTU: p.mtu}},
		Ports:    []ctl.PortSpec{{Name: "web", Network: "blue", NetNS: s.client.Name, As: "eth0", Address: addresses}},
		Offload:  p.offload,
	}
	for j := 1; j < len(sites); j++ {
		if j != i {
			c.Peers = append(c.Peers, ctl.PeerSpec{Address: p.underlay(j).Addr().String()})
		}
	}
	s.weft = startWeft(t, s.host, c)
}

// ping fails the test unless dst answers.
func (s *site) ping(t testing.TB, dst string) {
	t.Helper()
	if _, err := s.client.Ping(dst, 3, patience); err != nil {
		t.Fatalf("from %s: %v", s.client.Name, err)
	}
}
