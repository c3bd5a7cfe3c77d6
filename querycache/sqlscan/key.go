package sqlscan

func AppendKey(dst, text []byte) []byte { return append(dst, text...) }
