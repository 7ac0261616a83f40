package tunnel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The structures of linux/ethtool.h, as ioctl(SIOCETHTOOL) takes them: the
// request's number first, then what the request has. Lengths in bytes.
const (
	stringSetFeatures = 4 // ETH_SS_FEATURES

	stringLen    = 32 // ETH_GSTRING_LEN
	setInfoLen   = 16 // struct ethtool_sset_info without its data: cmd, reserved, mask (8 bytes)
	stringsLen   = 12 // struct ethtool_gstrings: cmd, set, length
	featuresLen  = 8  // struct ethtool_gfeatures: cmd, size
	featureBlock = 16 // struct ethtool_get_features_block: available, requested, active, never changed
	blockActive  = 8  // of a block
)

var errNoFeature = errors.New("this kernel has no such feature")

// etool asks for what `ethtool` shows of an interface of the caller's namespace.
type etool struct {
	fd     int
	ifName string
}

func openEthtool(ifName string) (*etool, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &etool{fd, ifName}, nil
}

func (e *etool) close() { unix.Close(e.fd) }

// active reports whether the interface has a feature of `ethtool -k` on.
func (e *etool) active(feature string) (bool, error) {
	bit, count, err := e.feature(feature)
	if err != nil {
		return false, err
	}
	blocks := (count + 31) / 32
	state := make([]byte, featuresLen+blocks*featureBlock)
	binary.NativeEndian.PutUint32(state, unix.ETHTOOL_GFEATURES)
	binary.NativeEndian.PutUint32(state[4:], uint32(blocks))
	if err := e.ask(state); err != nil {
		return false, err
	}
	active := binary.NativeEndian.Uint32(state[featuresLen+bit/32*featureBlock+blockActive:])
	return active>>(bit%32)&1 != 0, nil
}

// feature gives the number of a feature, and how many this kernel knows.
func (e *etool) feature(name string) (bit, count int, err error) {
	info := make([]byte, setInfoLen+4)
	binary.NativeEndian.PutUint32(info, unix.ETHTOOL_GSSET_INFO)
	binary.NativeEndian.PutUint64(info[8:], 1<<stringSetFeatures)
	if err := e.ask(info); err != nil {
		return 0, 0, err
	}
	count = int(binary.NativeEndian.Uint32(info[setInfoLen:]))
	names := make([]byte, stringsLen+count*stringLen)
	binary.NativeEndian.PutUint32(names, unix.ETHTOOL_GSTRINGS)
	binary.NativeEndian.PutUint32(names[4:], stringSetFeatures)
	binary.NativeEndian.PutUint32(names[8:], uint32(count))
	if err := e.ask(names); err != nil {
		return 0, 0, err
	}
	for names = names[stringsLen:]; bit < count; bit++ {
		if got, _, _ := bytes.Cut(names[bit*stringLen:][:stringLen], []byte{0}); string(got) == name {
			return bit, count, nil
		}
	}
	return 0, 0, errNoFeature
}

// ask has the kernel answer the request in place.
func (e *etool) ask(request []byte) error {
	ifr := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the kernel copies a whole struct ifreq
	}{data: unsafe.Pointer(&request[0])}
	copy(ifr.name[:unix.IFNAMSIZ-1], e.ifName)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(e.fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr)))
	runtime.KeepAlive(request)
	if errno != 0 {
		return errno
	}
	return nil
}
