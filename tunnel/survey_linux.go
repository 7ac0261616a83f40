package tunnel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weft/internal/ethtool"
)

// surveyFor is how long a survey holds.
const surveyFor = 900 * time.Millisecond

// survey is what of the host says whether superframes may leave by the outlet.
// They pass by what sockets pass through, so where that would do something to
// them they do not.
type survey struct {
	mu       sync.Mutex
	at       time.Time
	obstacle string
	links    map[int]string // by index, the obstacle of an interface
}

// look finds out how superframes leave towards the hop. link and mtu are those
// of the route. Where there is none, which err says, nothing leaves, and the hop
// is in nobody's way.
func (h *Hop) look(link netlink.Link, mtu int, err error) {
	v := h.vtep
	if v.whole.off.Load() {
		return
	}
	if err != nil {
		h.way.Store(nil)
		return
	}
	w := &way{mtu: mtu, ifIndex: link.Attrs().Index, obstacle: v.outlet.survey.obstacleTo(link)}
	if w.obstacle == "" {
		w.obstacle = routeObstacle(v.addr.Addr(), h.addr.Addr())
	}
	if old := h.way.Load(); old == nil || *old != *w {
		h.way.Store(w)
	}
}

// obstacleTo is why superframes may not leave by the interface, "" if they may.
func (s *survey) obstacleTo(link netlink.Link) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) > surveyFor {
		s.at, s.obstacle, s.links = time.Now(), hostObstacle(), map[int]string{}
	}
	if s.obstacle != "" {
		return s.obstacle
	}
	index := link.Attrs().Index
	obstacle, known := s.links[index]
	if !known {
		obstacle = linkObstacle(link)
		s.links[index] = obstacle
	}
	return obstacle
}

// hostObstacle: policies of IPsec would not be applied, and rules by what the
// BPF program's lookup does not know not be followed.
func hostObstacle() string {
	switch policies, err := netlink.XfrmPolicyList(netlink.FAMILY_ALL); {
	case errors.Is(err, unix.EPROTONOSUPPORT): // a kernel without IPsec
	case err != nil:
		return fmt.Sprintf("list IPsec policies: %v", err)
	case len(policies) > 0:
		return "the host has IPsec policies (ip xfrm policy)"
	}
	rules, err := netlink.RuleList(netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Sprintf("list routing rules: %v", err)
	}
	for _, r := range rules {
		if r.IPProto != 0 || r.Sport != nil || r.Dport != nil || r.UIDRange != nil || r.Mark != 0 {
			return "the host routes by port, protocol, user or mark (ip rule)"
		}
	}
	return ""
}

// cutsTunnels is the feature of an interface that cuts what is in a UDP tunnel
// with an outer checksum.
const cutsTunnels = "tx-udp_tnl-csum-segmentation"

// linkObstacle: an interface that would have the kernel cut superframes costs
// more than cutting them here.
func linkObstacle(link netlink.Link) string {
	name := link.Attrs().Name
	if link.Attrs().EncapType != "ether" {
		return fmt.Sprintf("interface %s is not Ethernet", name)
	}
	e, err := ethtool.Open(name)
	if err != nil {
		return fmt.Sprintf("ask for the offloads of %s: %v", name, err)
	}
	defer e.Close()
	switch on, err := e.Feature(cutsTunnels); {
	case err != nil:
		return fmt.Sprintf("ask for the offloads of %s: %v", name, err)
	case !on:
		return fmt.Sprintf("interface %s does not cut what is in a UDP tunnel (ethtool -k %s: %s)", name, name, cutsTunnels)
	}
	return ""
}

// routeObstacle: of several ways the kernel chooses by what its lookup knows,
// and frames of one flow would take two.
func routeObstacle(from, to netip.Addr) string {
	routes, err := netlink.RouteGetWithOptions(net.IP(to.AsSlice()), &netlink.RouteGetOptions{SrcAddr: net.IP(from.AsSlice()), FIBMatch: true})
	if err != nil || len(routes) == 0 {
		return noRoute(to, err).Error()
	}
	switch r := routes[0]; {
	case len(r.MultiPath) > 0:
		return fmt.Sprintf("there are several ways to %s", to)
	case r.Encap != nil || r.MPLSDst != nil:
		return fmt.Sprintf("the route to %s encapsulates", to)
	}
	return ""
}
