package ethtool

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

	stringLen   = 32 // ETH_GSTRING_LEN
	setInfoLen  = 16 // struct ethtool_sset_info without its data: cmd, reserved, mask (8 bytes)
	stringsLen  = 12 // struct ethtool_gstrings: cmd, set, length
	featuresLen = 8  // struct ethtool_gfeatures and ethtool_sfeatures: cmd, size
	getBlockLen = 16 // struct ethtool_get_features_block: available, requested, active, never changed
	blockActive = 8  // of it
	setBlockLen = 8  // struct ethtool_set_features_block: valid, requested

	setFeatures = 0x3b // ETHTOOL_SFEATURES
)

// ErrNoFeature: the kernel does not know the feature.
var ErrNoFeature = errors.New("this kernel has no such feature")

// Interface is an interface of the namespace that it was opened in.
type Interface struct {
	fd   int
	name string
}

// Open is for an interface of the caller's network namespace.
func Open(name string) (*Interface, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &Interface{fd, name}, nil
}

// Close ends the use of it.
func (i *Interface) Close() { unix.Close(i.fd) }

// Feature reports whether a feature of `ethtool -k` is on.
func (i *Interface) Feature(name string) (on bool, err error) {
	bit, count, err := i.feature(name)
	if err != nil {
		return false, err
	}
	state := featuresRequest(unix.ETHTOOL_GFEATURES, count, getBlockLen)
	if err := i.Ask(state); err != nil {
		return false, err
	}
	active := binary.NativeEndian.Uint32(state[featuresLen+bit/32*getBlockLen+blockActive:])
	return active>>(bit%32)&1 != 0, nil
}

// SetFeature turns a feature on or off, as `ethtool -K` does.
func (i *Interface) SetFeature(name string, on bool) error {
	bit, count, err := i.feature(name)
	if err != nil {
		return err
	}
	request := featuresRequest(setFeatures, count, setBlockLen)
	block := request[featuresLen+bit/32*setBlockLen:]
	binary.NativeEndian.PutUint32(block, 1<<(bit%32))
	if on {
		binary.NativeEndian.PutUint32(block[4:], 1<<(bit%32))
	}
	return i.Ask(request)
}

// featuresRequest is one about count features, 32 of them in a block.
func featuresRequest(number uint32, count, blockLen int) []byte {
	blocks := (count + 31) / 32
	r := make([]byte, featuresLen+blocks*blockLen)
	binary.NativeEndian.PutUint32(r, number)
	binary.NativeEndian.PutUint32(r[4:], uint32(blocks))
	return r
}

// feature gives the number of a feature, and how many this kernel knows.
func (i *Interface) feature(name string) (bit, count int, err error) {
	info := make([]byte, setInfoLen+4)
	binary.NativeEndian.PutUint32(info, unix.ETHTOOL_GSSET_INFO)
	binary.NativeEndian.PutUint64(info[8:], 1<<stringSetFeatures)
	if err := i.Ask(info); err != nil {
		return 0, 0, err
	}
	count = int(binary.NativeEndian.Uint32(info[setInfoLen:]))
	names := make([]byte, stringsLen+count*stringLen)
	binary.NativeEndian.PutUint32(names, unix.ETHTOOL_GSTRINGS)
	binary.NativeEndian.PutUint32(names[4:], stringSetFeatures)
	binary.NativeEndian.PutUint32(names[8:], uint32(count))
	if err := i.Ask(names); err != nil {
		return 0, 0, err
	}
	for names = names[stringsLen:]; bit < count; bit++ {
		if got, _, _ := bytes.Cut(names[bit*stringLen:][:stringLen], []byte{0}); string(got) == name {
			return bit, count, nil
		}
	}
	return 0, 0, ErrNoFeature
}

// Ask has the kernel do what the request says, a structure of linux/ethtool.h,
// and answer in its place.
func (i *Interface) Ask(request []byte) error {
	ifr := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the kernel copies a whole struct ifreq
	}{data: unsafe.Pointer(&request[0])}
	copy(ifr.name[:unix.IFNAMSIZ-1], i.name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(i.fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr)))
	runtime.KeepAlive(request)
	if errno != 0 {
		return errno
	}
	return nil
}
