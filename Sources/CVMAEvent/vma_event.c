#include "vma_event.h"
