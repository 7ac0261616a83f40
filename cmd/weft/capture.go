package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"weft/ctl"
)

func (a *app) captureCmd() *cobra.Command {
	var o captureOptions
	cmd := &cobra.Command{
		Use:   "capture PORT [FILTER...]",
		Short: "Show or save what passes a port",
		Long: `Show the frames that pass a port in both directions, a line each, or save them
as pcapng with -w. Frames are seen where the attached host's interface would see
them: what it sends before the link's conditions, what it gets behind them.

The filter has tcpdump's syntax: protocols, host, net, port, portrange, ether,
vlan, less, greater and comparisons such as tcp[tcpflags] & tcp-syn != 0, with
and, or, not and parentheses. For what it does not know pipe into tcpdump.`,
		Example: `  weft capture web
  weft capture web icmp or arp
  weft capture web -w web.pcapng --count 1000 tcp port 80
  weft capture web -w - | tcpdump -n -r -
  weft capture web -w - | wireshark -k -i -`,
		Args:    func(cmd *cobra.Command, given []string) error { return args("PORT")(cmd, given[:min(len(given), 1)]) },
		PreRunE: o.check,
		RunE: a.call(func(ctx context.Context, c *ctl.Client, args []string) error {
			o.spec.Filter = strings.Join(args[1:], " ")
			return a.capture(ctx, c, args[0], o.spec, o.file)
		}),
		ValidArgsFunction: a.complete(portNames),
	}
	o.flags(cmd)
	return cmd
}

// captureOptions are the flags of weft capture and of weft lab capture.
type captureOptions struct {
	spec ctl.CaptureSpec
	file string
}

func (o *captureOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.file, "write", "w", "", "write pcapng to the `file`, - for standard output")
	f.IntVar(&o.spec.SnapLen, "snaplen", 0, "keep only the first `N` bytes of a frame")
	f.IntVarP(&o.spec.Count, "count", "c", 0, "end after `N` frames")
}

func (o *captureOptions) check(cmd *cobra.Command, _ []string) error {
	if o.spec.SnapLen < 0 || o.spec.Count < 0 {
		return &usageError{cmd, errors.New("capture: --snaplen and --count want positive numbers")}
	}
	if o.file == "-" && isatty.IsTerminal(os.Stdout.Fd()) {
		return &usageError{cmd, errors.New("capture: -w - would fill the terminal with binary data (pipe it into a program, or leave -w out)")}
	}
	return nil
}

// capture runs until ctx ends, the port goes or there is enough, and then says
// on stderr what was seen.
func (a *app) capture(ctx context.Context, c *ctl.Client, port string, spec ctl.CaptureSpec, file string) error {
	var save io.Writer
	switch file {
	case "":
	case "-":
		save = a.out
	default:
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		save = f
	}
	if _, err := c.Port(ctx, port); err != nil {
		return err
	}
	stream, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := c.Capture(ctx, port, spec, in)
		ended <- err
		_ = in.CloseWithError(io.EOF) // of a PipeWriter, which cannot fail
	}()
	frames, lost, shown := a.showFrames(stream, save)
	_ = stream.CloseWithError(errReported) // ends Capture where showing failed
	err := <-ended
	if shown != nil {
		return shown
	}
	if err == nil {
		_, _ = fmt.Fprintf(a.errOut, "%d frames captured, %d lost because they were not read in time\n", frames, lost)
	}
	return err
}

// showFrames copies the stream to save, or prints it when save is nil.
func (a *app) showFrames(stream io.Reader, save io.Writer) (frames int, lost uint64, err error) {
	if save != nil {
		stream = io.TeeReader(stream, save)
	}
	r, err := pcapgo.NewNgReader(stream, pcapgo.NgReaderOptions{})
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil // it ended before it began
		}
		return 0, 0, err
	}
	for {
		data, info, err := r.ReadPacketData()
		if i, ierr := r.Interface(0); ierr == nil && i.Statistics.PacketsDropped != pcapgo.NgNoValue64 {
			lost = i.Statistics.PacketsDropped
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return frames, lost, nil
		case err != nil:
			return frames, lost, err
		}
		frames++
		if save == nil {
			if _, err := fmt.Fprintln(a.out, frameLine(data, info)); err != nil {
				return frames, lost, err
			}
		}
	}
}

// frameLine is a frame for people.
func frameLine(data []byte, info gopacket.CaptureInfo) string {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	var line strings.Builder
	line.WriteString(info.Timestamp.Local().Format("15:04:05.000000"))
	add := func(format string, args ...any) { fmt.Fprintf(&line, " "+format, args...) }
	src, dst := "", ""
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.Ethernet:
			src, dst = l.SrcMAC.String(), l.DstMAC.String()
		case *layers.Dot1Q:
			add("vlan %d", l.VLANIdentifier)
		case *layers.IPv4:
			src, dst = l.SrcIP.String(), l.DstIP.String()
		case *layers.IPv6:
			src, dst = l.SrcIP.String(), l.DstIP.String()
		}
	}
	line.WriteString(" " + describeFrame(p, src, dst))
	add("length %d", info.Length)
	return line.String()
}

// describeFrame says what is in it, as far as the layers were understood.
func describeFrame(p gopacket.Packet, src, dst string) string {
	way := src + " > " + dst
	if l, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
		from, to := ipText(l.SourceProtAddress), ipText(l.DstProtAddress)
		if l.Operation == layers.ARPRequest {
			return fmt.Sprintf("ARP who has %s, tell %s", to, from)
		}
		return fmt.Sprintf("ARP %s is at %s", from, macText(l.SourceHwAddress))
	}
	switch l := p.TransportLayer().(type) {
	case *layers.TCP:
		return fmt.Sprintf("TCP %s.%d > %s.%d [%s] seq %d ack %d win %d", src, l.SrcPort, dst, l.DstPort, flagText(l), l.Seq, l.Ack, l.Window)
	case *layers.UDP:
		return fmt.Sprintf("UDP %s.%d > %s.%d", src, l.SrcPort, dst, l.DstPort)
	}
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.ICMPv4:
			return fmt.Sprintf("ICMP %s %s id %d seq %d", way, l.TypeCode, l.Id, l.Seq)
		case *layers.ICMPv6:
			return fmt.Sprintf("ICMPv6 %s %s", way, l.TypeCode)
		case *layers.IPv4:
			if p.Layer(layers.LayerTypeICMPv4) == nil {
				return fmt.Sprintf("IP %s %s", way, l.Protocol)
			}
		case *layers.IPv6:
			if p.Layer(layers.LayerTypeICMPv6) == nil {
				return fmt.Sprintf("IP6 %s %s", way, l.NextHeader)
			}
		}
	}
	if e, ok := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet); ok {
		return fmt.Sprintf("%s %s", way, e.EthernetType)
	}
	return "not an Ethernet frame"
}

func ipText(b []byte) string {
	parts := make([]string, len(b))
	for i, v := range b {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, ".")
}

func macText(b []byte) string {
	parts := make([]string, len(b))
	for i, v := range b {
		parts[i] = fmt.Sprintf("%02x", v)
	}
	return strings.Join(parts, ":")
}

func flagText(t *layers.TCP) string {
	var s strings.Builder
	for _, f := range []struct {
		on   bool
		word string
	}{{t.SYN, "S"}, {t.FIN, "F"}, {t.RST, "R"}, {t.PSH, "P"}, {t.ACK, "."}, {t.URG, "U"}, {t.ECE, "E"}, {t.CWR, "W"}} {
		if f.on {
			s.WriteString(f.word)
		}
	}
	return s.String()
}
