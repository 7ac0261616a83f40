package systems

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tincUp runs tincd on each host as a switch, with neither cipher nor digest,
// which is the fastest that it can do.
func tincUp(ctx context.Context, p *Picture) error {
	keys, err := tincKeys(ctx, p)
	if err != nil {
		return err
	}
	for i, s := range p.Sides() {
		if err := s.startTinc(ctx, keys, i, p.ClientMTU()); err != nil {
			return err
		}
	}
	return nil
}

type tincKey struct{ private, public string }

// tincKeys makes a key for each side. It is short, because it is for the
// handshake alone and lives as long as the picture.
func tincKeys(ctx context.Context, p *Picture) (keys [2]tincKey, err error) {
	for i, s := range p.Sides() {
		dir := filepath.Join(s.dir, "tinc")
		if err := os.MkdirAll(filepath.Join(dir, "hosts"), 0o755); err != nil {
			return keys, err
		}
		if err := os.WriteFile(filepath.Join(dir, "tinc.conf"), []byte("Name = "+s.Name+"\n"), 0o644); err != nil {
			return keys, err
		}
		if err := s.run(ctx, nil, "tincd", "-c", dir, "-K1024"); err != nil {
			return keys, err
		}
		private, err := os.ReadFile(filepath.Join(dir, "rsa_key.priv"))
		if err != nil {
			return keys, err
		}
		public, err := os.ReadFile(filepath.Join(dir, "hosts", s.Name))
		if err != nil {
			return keys, err
		}
		keys[i] = tincKey{string(private), string(public)}
	}
	return keys, nil
}

func (s *Side) startTinc(ctx context.Context, keys [2]tincKey, i, mtu int) error {
	dir := filepath.Join(s.dir, "tinc")
	names := []string{"a", "b"}
	conf := []string{
		"Name = " + s.Name, "Mode = switch", "DeviceType = tap", "Interface = tap0", "ProcessPriority = normal",
		"BindToAddress = " + s.Underlay.Addr().String(),
	}
	if i == 1 {
		conf = append(conf, "ConnectTo = a")
	}
	files := map[string]string{
		"tinc.conf":    strings.Join(conf, "\n") + "\n",
		"rsa_key.priv": keys[i].private,
	}
	for n, name := range names {
		// With discovery of the path's MTU, which takes half a minute, larger
		// frames go over TCP until it is done.
		files["hosts/"+name] = fmt.Sprintf("Address = 10.99.0.%d\nCipher = none\nDigest = none\nCompression = 0\nPMTUDiscovery = no\n%s\n",
			n+1, keys[n].public)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	err := s.start("tincd", nil, "-c", dir, "-D", "--pidfile="+filepath.Join(dir, "pid"))
	if err != nil {
		return err
	}
	if err := s.awaitLink(ctx, "tap0"); err != nil {
		return err
	}
	return s.adopt(&s.Clients[0], "tap0", mtu)
}
