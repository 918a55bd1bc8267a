"""Redis: what hurries. It may vanish at any second and costs no money, no job and no answer."""
