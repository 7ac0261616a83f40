// Package tundev makes TAP interfaces: the open and the ioctl that the TAPs of
// ports and the tunnel's own have in common.
package tundev
