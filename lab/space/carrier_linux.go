package space

import (
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// setCarrier speaks rtnetlink itself: the library has no word for it. It is
// called in the namespace.
func (s *Space) setCarrier(ifname string, on bool) error {
	link, err := s.nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("%s:%s: %w", s.Name, ifname, err)
	}
	state := uint8(0)
	if on {
		state = 1
	}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(link.Attrs().Index)
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_CARRIER, nl.Uint8Attr(state)))
	if _, err := req.Execute(syscall.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("%s:%s: set carrier: %w", s.Name, ifname, err)
	}
	return nil
}
