package pgwire

import "encoding/binary"

// The Append functions add one whole message to dst and return the longer slice, as the built-in append does.

// AppendHeader starts a message whose body of the given size the caller appends next.
func AppendHeader(dst []byte, typ byte, body int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, typ), uint32(body)+4)
}

// AppendEmpty adds a message without a body: ParseComplete, Sync, NoData and their like.
func AppendEmpty(dst []byte, typ byte) []byte { return append(dst, typ, 0, 0, 0, 4) }

// AppendMessage adds a message with the given body.
func AppendMessage(dst []byte, typ byte, body []byte) []byte {
	return append(AppendHeader(dst, typ, len(body)), body...)
}

// AppendString adds a message whose body is one zero-terminated string: Query, CommandComplete.
func AppendString(dst []byte, typ byte, s string) []byte {
	return append(append(AppendHeader(dst, typ, len(s)+1), s...), 0)
}

// AppendReady adds ReadyForQuery.
func AppendReady(dst []byte, status TxStatus) []byte {
	return append(dst, ReadyForQuery, 0, 0, 0, 5, byte(status))
}

// AppendParse adds Parse: rest is query text, zero byte and parameter types, as SplitParse returns it.
func AppendParse(dst []byte, name string, rest []byte) []byte {
	dst = AppendHeader(dst, Parse, len(name)+1+len(rest))
	dst = append(append(dst, name...), 0)
	return append(dst, rest...)
}

// AppendBindHead starts a Bind message up to and including the names; restLen bytes of formats and values must follow.
func AppendBindHead(dst, portal []byte, statement string, restLen int) []byte {
	dst = AppendHeader(dst, Bind, len(portal)+1+len(statement)+1+restLen)
	dst = append(append(dst, portal...), 0)
	return append(append(dst, statement...), 0)
}

// AppendTarget adds Describe or Close.
func AppendTarget(dst []byte, typ byte, what Target, name string) []byte {
	dst = append(AppendHeader(dst, typ, len(name)+2), byte(what))
	return append(append(dst, name...), 0)
}

// AppendParameterStatus adds ParameterStatus.
func AppendParameterStatus(dst []byte, name, value string) []byte {
	dst = AppendHeader(dst, ParameterStatus, len(name)+len(value)+2)
	dst = append(append(dst, name...), 0)
	return append(append(dst, value...), 0)
}

// AppendError adds an ErrorResponse with the fields that every client since protocol 3.0 reads.
func AppendError(dst []byte, r ErrorReport) []byte {
	size := 1
	for _, v := range [...]string{r.Severity, r.Severity, r.Code, r.Message} {
		size += 2 + len(v)
	}
	dst = AppendHeader(dst, ErrorResponse, size)
	dst = appendField(dst, fieldLegacy, r.Severity)
	dst = appendField(dst, FieldSeverity, r.Severity)
	dst = appendField(dst, FieldCode, r.Code)
	dst = appendField(dst, FieldMessage, r.Message)
	return append(dst, 0)
}

func appendField(dst []byte, field byte, value string) []byte {
	return append(append(append(dst, field), value...), 0)
}

// AppendTextValue adds a DataRow of one text column. It serves the statements that the proxy answers itself.
func AppendTextValue(dst []byte, value string) []byte {
	dst = AppendHeader(dst, DataRow, 2+4+len(value))
	dst = append(dst, 0, 1)
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(value))), value...)
}

// AppendTextColumns adds RowDescription for columns of type text.
func AppendTextColumns(dst []byte, columns []string) []byte {
	const textOID, fixedPart = 25, 18
	size := 2
	for _, c := range columns {
		size += len(c) + 1 + fixedPart
	}
	dst = binary.BigEndian.AppendUint16(AppendHeader(dst, RowDescription, size), uint16(len(columns)))
	for _, c := range columns {
		dst = append(append(dst, c...), 0)
		dst = append(dst, 0, 0, 0, 0, 0, 0) // no table, no attribute number
		dst = binary.BigEndian.AppendUint32(dst, textOID)
		dst = append(dst, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0) // variable length, no modifier, text format
	}
	return dst
}
