package tundev

import "golang.org/x/sys/unix"

// Path is the device that TAPs are made by.
const Path = "/dev/net/tun"

// Open makes a TAP whose frames have a virtio header before them, in the
// caller's network namespace, and gives its descriptor, which does not block,
// and its name: the one asked for, or where that has a %d the first that is
// free. It is there as long as the descriptor. A persistent TAP of that name
// is attached to.
func Open(name string) (fd int, got string, err error) {
	fd, err = unix.Open(Path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, "", err
	}
	if got, err = attach(fd, name); err != nil {
		unix.Close(fd)
		return -1, "", err
	}
	return fd, got, nil
}

func attach(fd int, name string) (string, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return "", err
	}
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return "", err
	}
	return ifr.Name(), nil
}
