#include "vma_wire.h"
