// A module of its own, so that the program does not depend on what unpacks an archive for its tests.
module overdrive/scripts/fetchpostgres

go 1.26

require github.com/ulikunitz/xz v0.5.15
