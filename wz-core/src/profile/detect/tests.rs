use super::*;
use crate::profile::{Catalogue, ProfileFile};
use rstest::rstest;

const BOOT: usize = 256 * 1024;

/// A camera's flash with its file systems and environments already taken apart.
#[derive(Default)]
struct Camera {
    boot: Vec<u8>,
    bytes: BTreeMap<u64, Vec<u8>>,
    environments: BTreeMap<(u64, u64), Variables>,
    files: BTreeMap<(String, String), Vec<u8>>,
    answers: BTreeMap<&'static str, &'static str>,
    broken: bool,
    bytes_read: u64,
    files_read: usize,
}

impl Camera {
    fn with_boot(text: &str) -> Self {
        let mut boot = vec![0; BOOT];
        boot[0x4000..][..text.len()].copy_from_slice(text.as_bytes());
        Self {
            boot,
            ..Self::default()
        }
    }

    fn bytes(mut self, offset: u64, bytes: &[u8]) -> Self {
        self.bytes.insert(offset, bytes.to_vec());
        self
    }

    fn kernel(self, offset: u64) -> Self {
        self.bytes(offset, &UIMAGE_MAGIC)
    }

    fn environment(mut self, offset: u64, kib: u64, variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let variables = variables.iter().map(owned).collect();
        self.environments.insert((offset, kib * 1024), variables);
        self
    }

    fn file(mut self, partition: &str, path: &str, text: &str) -> Self {
        self.files
            .insert((partition.to_owned(), path.to_owned()), text.into());
        self
    }
}

fn unreadable() -> Problem {
    Problem::ConfigMissing {
        file: "stands for any problem".to_owned(),
    }
}

impl Evidence for Camera {
    fn boot(&mut self) -> Result<&[u8], Problem> {
        if self.broken {
            return Err(unreadable());
        }
        Ok(&self.boot)
    }

    fn bytes(&mut self, region: Region) -> Result<Vec<u8>, Problem> {
        self.bytes_read += region.size.get();
        let mut found = vec![0xFF; region.size.as_usize()];
        if let Some(bytes) = self.bytes.get(&region.offset.get()) {
            let length = bytes.len().min(found.len());
            found[..length].copy_from_slice(&bytes[..length]);
        }
        Ok(found)
    }

    fn environment(&mut self, region: Region) -> Result<Option<Variables>, Problem> {
        self.bytes_read += region.size.get();
        let key = (region.offset.get(), region.size.get());
        Ok(self.environments.get(&key).cloned())
    }

    fn file(&mut self, partition: &Partition, path: &str) -> Result<Option<Vec<u8>>, Problem> {
        self.files_read += 1;
        let key = (partition.name.clone(), path.to_owned());
        Ok(self.files.get(&key).cloned())
    }

    fn answer(&mut self, script: &str) -> Option<String> {
        Some((*self.answers.get(script)?).to_owned())
    }
}

/// The built-in profiles, with scripts for the stock firmware of the T31.
fn with_scripts() -> Catalogue {
    let stock = include_str!("../../../../profiles/t31/stock.toml");
    let scripts = "\n[scripts]\ndetect_firmware = \"is.sh\"\ndetect_model = \"model.sh\"\n";
    let card = [ProfileFile::new(
        "t31/stock.toml",
        format!("{stock}{scripts}"),
    )];
    Catalogue::builtin().with_card_profiles(&card).unwrap()
}

#[rstest]
#[case::its_name("nothing known", Some("stock"), Some("stock"))]
#[case::another_name("nothing known", Some("thingino"), None)]
#[case::no_answer("nothing known", None, None)]
#[case::not_asked("demo_wcv3.bin", None, Some("stock"))]
fn a_script_tells_the_firmware_where_no_sign_does(
    #[case] boot: &str,
    #[case] answer: Option<&'static str>,
    #[case] expected: Option<&str>,
) {
    let mut camera = Camera::with_boot(boot);
    camera
        .answers
        .extend(answer.map(|name| ("t31/stock/is.sh", name)));
    let catalogue = with_scripts();
    let found = identify(catalogue.firmwares("t31"), &mut camera).unwrap();
    assert_eq!(found.one().map(|firmware| firmware.name.as_str()), expected);
}

#[rstest]
#[case::a_new_one("gazer", false)]
#[case::a_locked_one("pan_v3", true)]
fn a_script_tells_the_model_where_no_rule_does(
    #[case] code: &'static str,
    #[case] secure_boot: bool,
) {
    let mut camera = Camera::with_boot("demo_wcv3.bin");
    camera.answers.insert("t31/stock/model.sh", code);
    let catalogue = with_scripts();
    let stock = catalogue.firmware("t31", "stock").unwrap();
    let model = stock.model_in(&stock.layouts[0], &mut camera).unwrap();
    let model = model.expect("a model");
    assert_eq!(
        (model.code.as_str(), model.secure_boot),
        (code, secure_boot)
    );
}

fn firmware_of(soc: &str, camera: &mut Camera) -> Option<String> {
    let catalogue = Catalogue::builtin();
    let found = identify(catalogue.firmwares(soc), camera).unwrap();
    found.one().map(|firmware| firmware.name.clone())
}

fn layout_of(camera: &mut Camera) -> Option<String> {
    let catalogue = Catalogue::builtin();
    let thingino = catalogue.firmware("t31", "thingino").unwrap();
    let found = thingino.layout_in(camera).unwrap();
    found.one().map(|layout| layout.name.clone())
}

fn model_of(soc: &str, firmware: &str, layout: &str, camera: &mut Camera) -> Option<Model> {
    let catalogue = Catalogue::builtin();
    let firmware = catalogue.firmware(soc, firmware).unwrap();
    let layout = firmware.layout(layout).unwrap();
    firmware.model_in(layout, camera).unwrap()
}

#[rstest]
#[case("t31", "demo_wcv3.bin", Some("stock"))]
#[case("t31", "recovery_wcpv2.bin", Some("stock"))]
#[case("t31", "Ingenic U-Boot Flex SPL 2013.07", Some("thingino"))]
#[case("t31", "Ingenic U-Boot Flex T31X SPL 2013.07", Some("thingino"))]
#[case(
    "t31",
    "Thingino U-Boot for Ingenic T31AL SPL 2013.07",
    Some("thingino")
)]
#[case("t31", "Thingino U-Boot for Ingenic T20X SPL 2013.07", None)]
#[case("t31", "demo.bin", None)]
#[case("t31", "U-Boot SPL 2013.07", None)]
#[case("t31", "", None)]
#[case("t20", "demo.bin", Some("stock"))]
#[case("t20", "jiabo_do_auto_update", Some("stock"))]
#[case("t20", "Ingenic U-Boot Flex SPL 2013.07", Some("thingino"))]
#[case(
    "t20",
    "Thingino U-Boot for Ingenic T20L SPL 2013.07",
    Some("thingino")
)]
#[case("t20", "demo_wcv3.bin", None)]
fn a_firmware_is_recognised_by_its_boot_partition(
    #[case] soc: &str,
    #[case] text: &str,
    #[case] name: Option<&str>,
) {
    assert_eq!(
        firmware_of(soc, &mut Camera::with_boot(text)).as_deref(),
        name
    );
}

#[rstest]
#[case("U-Boot SPL 2013.07 (Jul 2021)", Some("stock"))]
#[case("Ingenic U-Boot Flex T31X SPL 2013.07", Some("thingino"))]
#[case("something else", None)]
fn a_kernel_behind_256k_of_factory_boot_partition_is_stock(
    #[case] boot: &str,
    #[case] name: Option<&str>,
) {
    let mut camera = Camera::with_boot(boot).kernel(0x4_0000);
    assert_eq!(firmware_of("t31", &mut camera).as_deref(), name);
}

#[test]
fn a_boot_partition_with_signs_of_two_firmwares_is_neither() {
    let mut camera = Camera::with_boot("demo_wcv3.bin Thingino U-Boot for Ingenic T31X");
    let catalogue = Catalogue::builtin();
    let found = identify(catalogue.firmwares("t31"), &mut camera).unwrap();
    assert!(matches!(found, Identified::Several(both) if both.len() == 2));
}

#[test]
fn the_u_boot_of_2026_is_recognised_with_its_environment_only() {
    let boot = "Ingenic ISVP-T31X ingenic,isvp-t31";
    assert_eq!(firmware_of("t31", &mut Camera::with_boot(boot)), None);
    let mut camera = Camera::with_boot(boot).environment(0x5_0000, 64, &[]);
    assert_eq!(firmware_of("t31", &mut camera).as_deref(), Some("thingino"));
}

#[rstest]
#[case::blank_environment(Camera::default().kernel(0x5_0000), Some("2024"))]
#[case::wiped_kernel(Camera::default().environment(0x4_0000, 64, &[]), Some("2024"))]
#[case::saved_environment(Camera::default().environment(0x4_0000, 32, &[]).kernel(0x8_0000), Some("2025"))]
#[case::blank_environment(Camera::default().kernel(0x8_0000).bytes(0x4_8000, &[0x85, 0x19]), Some("2025"))]
#[case::kernel_alone(Camera::default().kernel(0x8_0000), None)]
#[case::kernel_at_384k(Camera::default().environment(0x5_0000, 64, &[]).kernel(0x6_0000), Some("2026-06"))]
#[case::kernel_at_448k(Camera::default().environment(0x5_0000, 64, &[]).kernel(0x7_0000), Some("2026-08"))]
#[case::lost_environment(Camera::default().kernel(0x7_0000), None)]
#[case::lost_kernel(Camera::default().environment(0x5_0000, 64, &[]), None)]
#[case::nothing(Camera::default(), None)]
fn a_layout_is_recognised_by_what_lies_where(
    #[case] mut camera: Camera,
    #[case] name: Option<&str>,
) {
    assert_eq!(layout_of(&mut camera).as_deref(), name);
}

#[test]
fn signs_of_two_layouts_select_neither() {
    let mut camera = Camera::default()
        .kernel(0x5_0000)
        .environment(0x4_0000, 32, &[]);
    let catalogue = Catalogue::builtin();
    let thingino = catalogue.firmware("t20", "thingino").unwrap();
    let found = thingino.layout_in(&mut camera).unwrap();
    assert!(matches!(found, Identified::Several(both) if both.len() == 2));
}

#[test]
fn the_only_layout_of_a_firmware_needs_no_evidence() {
    let catalogue = Catalogue::builtin();
    let stock = catalogue.firmware("t31", "stock").unwrap();
    let found = stock.layout_in(&mut Camera::default()).unwrap();
    assert_eq!(found.one().unwrap().name, "factory");
}

#[test]
fn a_literal_mtdparts_can_be_evidence() {
    let clue = Clue {
        environment: Some(EnvironmentClue {
            offset: Offset::bytes(0x5_0000),
            size: Size::kib(64),
            mtdparts: Some("64k(backup)".to_owned()),
        }),
        ..Clue::default()
    };
    let camera = |parts| Camera::default().environment(0x5_0000, 64, &[("mtdparts", parts)]);
    let holds = |mut camera: Camera| clue.holds(&mut camera).unwrap();
    assert!(holds(camera("jz_sfc:320k(boot),64k(env),64k(backup)")));
    assert!(!holds(camera("jz_sfc:320k(boot),64k(env)")));
    assert!(!holds(Camera::default()));
}

#[rstest]
#[case("t31", "WYZE_CAKP2JFUS", Some("v3"))]
#[case("t31", "HL_PAN2", Some("pan_v2"))]
#[case("t31", "ATOM_CamV3C", Some("v3c"))]
#[case("t31", "ATOM_CAKP1JZJP", Some("swing"))]
#[case("t31", "WYZEC1-JZ", None)]
#[case("t20", "WYZEC1-JZ", Some("v2"))]
#[case("t20", "WYZECP1_JEF", Some("pan_v1"))]
#[case("t20", "AC1", Some("atom"))]
#[case("t20", "SOMETHING", None)]
fn a_stock_camera_tells_its_model(
    #[case] soc: &str,
    #[case] product: &str,
    #[case] code: Option<&str>,
) {
    let text = format!("MAC=AC1234\nPRODUCT_MODEL={product}\n");
    let mut camera = Camera::default()
        .file("cfg", ".product_config", &text)
        .file("para", "config/.product_config", &text);
    let model = model_of(soc, "stock", "factory", &mut camera);
    assert_eq!(model.map(|model| model.code).as_deref(), code);
    assert_eq!(camera.files_read, 1);
}

#[test]
fn a_camera_with_secure_boot_is_known_as_such() {
    let mut camera = Camera::default().file("cfg", ".product_config", "PRODUCT_MODEL=HL_PAN3");
    let model = model_of("t31", "stock", "factory", &mut camera).unwrap();
    assert_eq!((model.code.as_str(), model.secure_boot), ("pan_v3", true));
}

#[test]
fn a_camera_without_product_config_has_no_model() {
    assert_eq!(
        model_of("t31", "stock", "factory", &mut Camera::default()),
        None
    );
}

#[rstest]
#[case("pan_v2", Some("pan_v2"))]
#[case("", None)]
#[case("../v3", None)]
#[case("\u{1b}[31mv3", None)]
fn a_thingino_camera_tells_its_model_in_a_variable(
    #[case] value: &str,
    #[case] code: Option<&str>,
) {
    let mut camera = Camera::default().environment(0x4_0000, 64, &[("devicemodel", value)]);
    let model = model_of("t31", "thingino", "2024", &mut camera);
    assert_eq!(model.map(|model| model.code).as_deref(), code);
}

#[test]
fn a_blank_environment_tells_no_model() {
    assert_eq!(
        model_of("t31", "thingino", "2024", &mut Camera::default()),
        None
    );
}

#[rstest]
#[case("t31", "FWGRADEUP=kernel+app\n", Some("FWGRADEUP=kernel+app"))]
#[case(
    "t20",
    "junk\0FWGRADEUP=kernel+drivers\0\0",
    Some("FWGRADEUP=kernel+drivers")
)]
#[case("t20", "", None)]
fn a_pending_upgrade_is_found(#[case] soc: &str, #[case] text: &str, #[case] found: Option<&str>) {
    let catalogue = Catalogue::builtin();
    let stock = catalogue.firmware(soc, "stock").unwrap();
    let mut camera = Camera::default().bytes(0xFF_0000, text.as_bytes());
    let upgrade = stock.pending_upgrade_in(&mut camera).unwrap();
    assert_eq!(upgrade.as_deref(), found);
    assert_eq!(camera.bytes_read, 64 * 1024);
}

#[test]
fn recognising_a_stock_camera_reads_the_boot_partition_alone() {
    for boot in ["demo_wcv3.bin", "recovery_wcpv2.bin"] {
        let mut camera = Camera::with_boot(boot);
        assert_eq!(firmware_of("t31", &mut camera).as_deref(), Some("stock"));
        assert_eq!((camera.bytes_read, camera.files_read), (0, 0));
    }
}

#[test]
fn recognising_any_camera_reads_little_of_its_flash() {
    let cameras = [
        Camera::with_boot("Thingino U-Boot for Ingenic T31X").kernel(0x5_0000),
        Camera::with_boot("ingenic,isvp-t31")
            .environment(0x5_0000, 64, &[])
            .kernel(0x7_0000),
        Camera::with_boot("unknown"),
    ];
    for mut camera in cameras {
        firmware_of("t31", &mut camera);
        layout_of(&mut camera);
        assert!(camera.bytes_read <= 256 * 1024, "{}", camera.bytes_read);
    }
}

#[test]
fn what_cannot_be_read_is_no_unknown_firmware() {
    let mut camera = Camera {
        broken: true,
        ..Camera::default()
    };
    let catalogue = Catalogue::builtin();
    let problem = identify(catalogue.firmwares("t31"), &mut camera).unwrap_err();
    assert_eq!(problem, unreadable());
}

#[rstest]
#[case(b"", "a", None)]
#[case(b"abc", "", None)]
#[case(b"abc", "abcd", None)]
#[case(b"ababc", "abc", Some(2))]
#[case(b"abc", "abc", Some(0))]
fn a_text_is_found_where_it_first_occurs(
    #[case] bytes: &[u8],
    #[case] text: &str,
    #[case] at: Option<usize>,
) {
    assert_eq!(position(bytes, text.as_bytes()), at);
}
