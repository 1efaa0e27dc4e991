package picture

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

const (
	pngSignature = 8
	pngIHDR      = 13
)

// inspectPNG reads IHDR, which must come first and hold the right checksum (RFC 2083 sections 3.2 and 4.1.1).
func inspectPNG(b []byte) (Info, error) {
	info := Info{Type: PNG}
	b = b[pngSignature:]
	if len(b) < 8+pngIHDR+4 {
		return info, corrupt(pngSignature, "PNG ends inside its IHDR chunk")
	}
	length, name := binary.BigEndian.Uint32(b), string(b[4:8])
	if length != pngIHDR || name != "IHDR" {
		return info, corrupt(pngSignature, "PNG begins with a chunk that is no IHDR of %d bytes", pngIHDR)
	}
	if crc32.ChecksumIEEE(b[4:8+pngIHDR]) != binary.BigEndian.Uint32(b[8+pngIHDR:]) {
		return info, corrupt(pngSignature, "PNG IHDR has a wrong checksum")
	}
	width, height := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	if width == 0 || height == 0 || width > math.MaxInt32 || height > math.MaxInt32 {
		return info, corrupt(pngSignature+8, "PNG is %d by %d pixels", width, height)
	}
	info.Width, info.Height, info.Frames = int(width), int(height), 1
	return info, nil
}
