// A global name that the types of tfjs-core use without declaring it.
declare class Long {}
