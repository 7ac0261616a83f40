package systems

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

// wireguardPort is the one its documentation uses.
const wireguardPort = 51820

// wireguardUp runs wireguard-go on each host and gives its TUN to the client.
// It cannot go without encryption.
func wireguardUp(ctx context.Context, p *Picture) error {
	// The directory of its control sockets, which it does not take as a flag.
	if err := os.MkdirAll("/run/wireguard", 0o755); err != nil {
		return err
	}
	var keys [2]*ecdh.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			return err
		}
	}
	for i, s := range p.Sides() {
		if err := s.startWireguard(ctx, keys[i], keys[1-i].PublicKey(), p.ClientMTU()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Side) startWireguard(ctx context.Context, own *ecdh.PrivateKey, other *ecdh.PublicKey, mtu int) error {
	name := "wg" + s.Name // names a control socket as well, so one for each host
	if err := s.start("wireguard-go", []string{"LOG_LEVEL=error"}, "-f", name); err != nil {
		return err
	}
	if err := s.awaitFile(ctx, filepath.Join("/run/wireguard", name+".sock")); err != nil {
		return err
	}
	base64 := base64.StdEncoding.EncodeToString
	conf := filepath.Join(s.dir, "wg.conf")
	text := fmt.Sprintf("[Interface]\nPrivateKey = %s\nListenPort = %d\n[Peer]\nPublicKey = %s\nAllowedIPs = 0.0.0.0/0\nEndpoint = %v:%d\n",
		base64(own.Bytes()), wireguardPort, base64(other.Bytes()), s.Peers[0], wireguardPort)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	if err := s.run(ctx, nil, "wg", "setconf", name, conf); err != nil {
		return err
	}
	// 80 bytes is what it takes of the underlay's MTU; VXLAN takes 50.
	return s.adopt(&s.Clients[0], name, mtu-30)
}
