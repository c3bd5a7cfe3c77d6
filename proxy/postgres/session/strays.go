package session

// maxStrays bounds the statements that are prepared on one connection to provoke errors until it can be rid of them.
const maxStrays = 10000

// addStray notes a statement that is to be closed before anybody else gets the connection. One that has too many of them is not
// given to anybody else.
func (c *ServerConn) addStray(name string) {
	if len(c.prepared.strays) >= maxStrays {
		c.trouble.doubtful = true
		return
	}
	c.prepared.strays = append(c.prepared.strays, name)
}

// doubtResidents notes that the statements that the proxy has prepared may be there or not. Closing one that is not there is no error.
func (c *ServerConn) doubtResidents() {
	if c.prepared.doubted == nil {
		c.prepared.doubted = make(map[*statement]bool)
	}
	for _, st := range c.prepared.residents.live.Keys() {
		c.prepared.doubted[st] = true
	}
	c.prepared.residents.clear()
}

// forgetStatements is called when the server has dropped all that has a name.
func (c *ServerConn) forgetStatements() {
	c.prepared.residents.clear()
	c.prepared.doubted = nil
}

// strayNames are the names on the server that are to be closed.
func (c *ServerConn) strayNames() []string {
	names := c.prepared.strays
	for st := range c.prepared.doubted {
		if _, prepared := c.prepared.residents.since(st); !prepared {
			names = append(names, st.serverName)
		}
	}
	return names
}

// lendUnder notes a statement that is on the server, for this client alone, under a name of the client's. again: it may be there already.
func (c *ServerConn) lendUnder(name string) (again bool) {
	if c.prepared.lent[name] {
		return true
	}
	if c.prepared.lent == nil {
		c.prepared.lent = make(map[string]bool)
	}
	c.prepared.lent[name] = true
	c.addStray(name)
	return false
}

func (c *ServerConn) hasStrays() bool { return len(c.prepared.strays)+len(c.prepared.doubted) > 0 }

func (c *ServerConn) dropStrays() {
	c.prepared.strays, c.prepared.lent, c.prepared.doubted = nil, nil, nil
}
